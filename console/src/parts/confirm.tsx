/** Asks before something that cannot be undone, and says what it will do. */
import { type ReactNode, useState } from 'react'
import { Button } from './button.tsx'
import { CliCommand } from './cli-command.tsx'
import { Dialog } from './dialog.tsx'
import { ErrorNote } from './error-note.tsx'

export interface ConfirmProps {
  title: string
  isOpen: boolean
  onClose: () => void
  /** What happens then. */
  children: ReactNode
  /** The button's words: the deed, not “OK”. */
  action: string
  command?: string
  isBusy: boolean
  error: unknown
  onConfirm: () => void
}

export function Confirm({ title, isOpen, ...question }: ConfirmProps) {
  return (
    <Dialog title={title} isOpen={isOpen} onClose={question.onClose}>
      <Question {...question} />
    </Dialog>
  )
}

function Question(props: Omit<ConfirmProps, 'title' | 'isOpen'>) {
  const { onClose, children, action, command, isBusy, error, onConfirm } = props
  // What went wrong before it was opened was about something else.
  const [isAnswered, setAnswered] = useState(false)
  return (
    <>
      <div className="text-soft">{children}</div>
      {isAnswered && error !== null && (
        <div className="mt-3">
          <ErrorNote error={error} />
        </div>
      )}
      <div className="mt-4 flex flex-wrap items-center justify-between gap-3">
        {command === undefined ? <span /> : <CliCommand command={command} />}
        <div className="ml-auto flex gap-2">
          <Button onClick={onClose}>Keep it</Button>
          <Button
            look="danger"
            onClick={() => {
              setAnswered(true)
              onConfirm()
            }}
            disabled={isBusy}
          >
            {action}
          </Button>
        </div>
      </div>
    </>
  )
}
