/** Where a question is written. Enter sends it, Shift and Enter begin a new line. */
import { useState } from 'react'
import { Button } from '../parts/button.tsx'
import { controlClass } from '../parts/field.tsx'

export interface ComposerProps {
  isBusy: boolean
  canSend: boolean
  onSend: (question: string) => void
  onStop: () => void
}

export function Composer({ isBusy, canSend, onSend, onStop }: ComposerProps) {
  const [text, setText] = useState('')
  const send = () => {
    const question = text.trim()
    if (question === '' || isBusy || !canSend) return
    setText('')
    onSend(question)
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        send()
      }}
      className="grid gap-2"
    >
      <textarea
        aria-label="Question"
        rows={3}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing) {
            event.preventDefault()
            send()
          }
          if (event.key === 'Escape' && isBusy) onStop()
        }}
        placeholder="Ask something"
        className={controlClass}
      />
      <div className="flex items-center justify-between gap-3">
        <span className="text-[0.75rem] text-soft max-sm:hidden">
          Enter sends · Shift Enter begins a new line · Escape stops
        </span>
        <span className="ml-auto flex gap-2">
          {isBusy ? (
            <Button onClick={onStop}>Stop</Button>
          ) : (
            <Button look="main" type="submit" disabled={text.trim() === '' || !canSend}>
              Send
            </Button>
          )}
        </span>
      </div>
    </form>
  )
}
