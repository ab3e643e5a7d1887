/** Beside the title of a table whose rows are never changed: what it tells, and those before. */
import { plural } from '../units.ts'

interface PastNoteProps {
  what: string
  /** How many rows hold no more. */
  past: number
  showsPast: boolean
  onChange: (showsPast: boolean) => void
}

export function PastNote({ what, past, showsPast, onChange }: PastNoteProps) {
  return (
    <span className="inline-flex flex-wrap gap-x-3">
      <span>{what}</span>
      {past > 0 && (
        <button
          type="button"
          aria-pressed={showsPast}
          className="text-accent hover:underline"
          onClick={() => onChange(!showsPast)}
        >
          {showsPast ? 'without those before' : `with ${plural(past, 'earlier one')}`}
        </button>
      )}
    </span>
  )
}
