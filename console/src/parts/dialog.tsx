/** A modal dialog: the browser's own, which holds the focus and closes with Escape. */
import { X } from 'lucide-react'
import { type ReactNode, useEffect, useId, useRef } from 'react'

export interface DialogProps {
  title: string
  isOpen: boolean
  onClose: () => void
  children: ReactNode
}

/**
 * Its content is there only while it is open, so that every opening starts afresh. The browser
 * tells of a closing in a task of its own, when the dialog may have been opened again: that must
 * not close it.
 */
export function Dialog({ title, isOpen, onClose, children }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null)
  const titleId = useId()
  // Selecting text may end beside the dialog; only what also began there closes it.
  const isPressedBeside = useRef(false)
  useEffect(() => {
    const dialog = element.current
    if (dialog === null) return
    if (isOpen && !dialog.open) {
      dialog.showModal()
      dialog.querySelector<HTMLElement>('[data-first]')?.focus()
    }
    if (!isOpen && dialog.open) dialog.close()
  }, [isOpen])
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes it, the browser sees to that
    <dialog
      ref={element}
      aria-labelledby={titleId}
      onCancel={onClose}
      onClose={() => isOpen && !element.current?.open && onClose()}
      onPointerDown={(event) => {
        isPressedBeside.current = event.target === element.current
      }}
      onClick={(event) => isPressedBeside.current && event.target === element.current && onClose()}
      className="m-auto w-full max-w-lg rounded-[14px] border bg-surface p-0 text-ink max-sm:mb-0 max-sm:max-w-full max-sm:rounded-b-none"
    >
      {isOpen && (
        <div className="max-h-[85vh] overflow-auto px-5 pt-4 pb-5">
          <header className="mb-3.5 flex items-center justify-between gap-4">
            <h2 id={titleId} className="text-base font-[620] tracking-[-0.01em]">
              {title}
            </h2>
            <button
              type="button"
              onClick={onClose}
              aria-label="Close"
              className="grid size-7 place-items-center rounded-md text-soft hover:text-ink"
            >
              <X size={16} aria-hidden />
            </button>
          </header>
          {children}
        </div>
      )}
    </dialog>
  )
}
