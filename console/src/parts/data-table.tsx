/** A table from columns and rows: columns on a screen, labelled blocks on a phone, CSV always. */
import type { ReactNode } from 'react'
import { Card } from './card.tsx'
import type { CsvValue } from './csv.ts'
import { ErrorNote } from './error-note.tsx'
import { ExportButton } from './export-button.tsx'
import { LoadingRows } from './loading.tsx'
import {
  cellClass,
  headClass,
  leadCellClass,
  NOTHING,
  numberCellClass,
  rowClass,
  tableClass,
} from './table-looks.ts'

export interface Column<Row> {
  title: string
  /** Unit, span and basis of what is in it. */
  note?: string
  show: (row: Row) => ReactNode
  /** What goes into the CSV; absent for columns of actions. */
  csv?: (row: Row) => CsvValue
  isNumber?: boolean
}

export interface DataTableProps<Row> {
  title: string
  note?: ReactNode
  /** Of the CSV file. */
  name: string
  columns: readonly Column<Row>[]
  rows: readonly Row[] | undefined
  rowId: (row: Row) => string
  error?: unknown
  onRetry?: () => void
  /** What is said, and offered, where there are no rows. */
  empty: ReactNode
  /** Above the rows: what chooses them. */
  head?: ReactNode
  footer?: ReactNode
}

export function DataTable<Row>(props: DataTableProps<Row>) {
  const { title, note, name, columns, rows, rowId, error, onRetry, empty, head, footer } = props
  const exported = columns.filter((column) => column.csv !== undefined)
  const hasRows = rows !== undefined && rows.length > 0
  return (
    <Card
      title={title}
      note={note}
      actions={
        hasRows && (
          <ExportButton
            name={name}
            header={exported.map((column) => column.title)}
            rows={() => rows.map((row) => exported.map((column) => column.csv?.(row)))}
          />
        )
      }
    >
      {head}
      {error != null && <ErrorNote error={error} {...(onRetry && { onRetry })} />}
      {rows === undefined && error == null && <LoadingRows />}
      {rows?.length === 0 && <div className="py-2 text-soft">{empty}</div>}
      {hasRows && (
        <div className="md:overflow-x-auto slim-scroll">
          <table className={tableClass}>
            <thead className={headClass}>
              <tr>
                {columns.map(({ title: head, note: basis, isNumber }) => (
                  <th
                    key={head}
                    scope="col"
                    title={basis}
                    className={`md:whitespace-nowrap ${isNumber ? numberCellClass : cellClass}`}
                  >
                    {head}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody className="block md:table-row-group">
              {rows.map((row) => (
                <TableRow key={rowId(row)} row={row} columns={columns} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {footer}
    </Card>
  )
}

function TableRow<Row>({ row, columns }: { row: Row; columns: readonly Column<Row>[] }) {
  return (
    <tr className={rowClass}>
      {columns.map(({ title, show, isNumber }, at) => {
        const look = at === 0 ? leadCellClass : isNumber ? numberCellClass : cellClass
        const shown = show(row)
        // On a phone a line that says nothing is in the way; in columns it keeps its place.
        const hiding = shown === NOTHING ? 'max-md:hidden!' : ''
        return (
          <td key={title} data-label={title} className={`${look} ${hiding}`}>
            {shown}
          </td>
        )
      })}
    </tr>
  )
}
