/** Saves the rows that a table shows. */
import { Download } from 'lucide-react'
import { type CsvValue, csvOf } from './csv.ts'
import { download } from './download.ts'

export interface ExportButtonProps {
  /** Of the file, without ending. */
  name: string
  header: readonly string[]
  rows: () => readonly (readonly CsvValue[])[]
}

export function ExportButton({ name, header, rows }: ExportButtonProps) {
  return (
    <button
      type="button"
      onClick={() => download(`gristmill-${name}.csv`, csvOf(header, rows()))}
      className="inline-flex items-center gap-1.5 rounded-md text-[0.78rem] text-soft hover:text-ink"
    >
      <Download size={13} aria-hidden /> Export CSV
    </button>
  )
}
