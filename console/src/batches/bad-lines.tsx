/** What validation found, by line, so that the file can be put right in one go. */
import type { BatchView } from '../api/contract.ts'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { count } from '../units.ts'

/** As many are told by the server at most. */
const ERRORS_MAX = 100

type Finding = BatchView['errors'][number] & { at: number }

const columns: Column<Finding>[] = [
  {
    title: 'Line',
    note: 'Number in the input file, from 1',
    show: ({ line }) => (line === null ? 'whole file' : `line ${count(line)}`),
    csv: ({ line }) => line,
  },
  { title: 'What is wrong', show: ({ message }) => message, csv: ({ message }) => message },
  {
    title: 'Field',
    show: ({ param }) => (param === null ? '–' : <code className="font-mono">{param}</code>),
    csv: ({ param }) => param,
  },
  {
    title: 'Code',
    show: ({ code }) => <code className="font-mono text-soft">{code}</code>,
    csv: ({ code }) => code,
  },
]

export function BadLines({ batch: { id, errors } }: { batch: BatchView }) {
  const isCut = errors.length >= ERRORS_MAX
  return (
    <DataTable
      title="What was wrong"
      note={isCut ? `the first ${ERRORS_MAX}; there may be more` : 'mend these and make it again'}
      name={`batch-errors-${id}`}
      columns={columns}
      rows={errors.map((error, at) => ({ ...error, at }))}
      rowId={({ at }) => String(at)}
      empty=""
    />
  )
}
