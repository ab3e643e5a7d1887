/** What stands under a table that does not show all there is. */
import { isCut, WHOLE_ROWS_MAX } from '../api/whole.ts'
import { count } from '../units.ts'

/** @param all where the rest is */
export function CutNote({ rows, all }: { rows: readonly unknown[] | undefined; all: string }) {
  if (!isCut(rows)) return null
  return (
    <p className="mt-2 text-[0.78rem] text-soft">
      At most {count(WHOLE_ROWS_MAX)} rows stand here; {all} has all.
    </p>
  )
}
