/** The list of rooms on a phone, where there is no room for it beside the page. */
import { Dialog } from '../parts/dialog.tsx'
import { SideBar } from './side-bar.tsx'

export interface PhoneMenuProps {
  isOpen: boolean
  onClose: () => void
  onCommands: () => void
}

export default function PhoneMenu({ isOpen, onClose, onCommands }: PhoneMenuProps) {
  return (
    <Dialog title="Gristmill" isOpen={isOpen} onClose={onClose}>
      <SideBar
        onCommands={() => {
          onClose()
          onCommands()
        }}
      />
    </Dialog>
  )
}
