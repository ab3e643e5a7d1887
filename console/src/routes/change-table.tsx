/** What other routes and guards change, and for whom. */
import type { RouteDraftView } from '../api/contract.ts'
import { cellClass, headClass, leadCellClass, rowClass, tableClass } from '../parts/table-looks.ts'
import { listed } from '../units.ts'
import { sideInWords, whoseInWords } from './route-words.ts'

interface ChangeTableProps {
  draft: RouteDraftView
  /** What becomes of the guards, in words. */
  guards: string
}

export function ChangeTable({ draft, guards }: ChangeTableProps) {
  const { changes, unexamined, warnings } = draft
  return (
    <>
      {changes.length === 0 && unexamined.length === 0 && (
        <p className="text-soft">Names lead where they led before.</p>
      )}
      {changes.length > 0 && (
        <table className={tableClass}>
          <thead className={headClass}>
            <tr>
              {['Asks for', 'Who', 'Now', 'Then'].map((title) => (
                <th key={title} scope="col" className={cellClass}>
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody className="block md:table-row-group">
            {changes.map((change) => (
              <tr key={JSON.stringify(change)} className={rowClass}>
                <td className={leadCellClass}>{listed(change.names)}</td>
                <td data-label="Who" className={cellClass}>
                  {whoseInWords(change)}
                </td>
                <td data-label="Now" className={`${cellClass} text-soft`}>
                  {sideInWords(change, 'before')}
                </td>
                <td data-label="Then" className={cellClass}>
                  {sideInWords(change, 'after')}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {guards !== '' && <p className="mt-2">{guards}</p>}
      {unexamined.length > 0 && (
        <p className="mt-2 text-soft">
          {listed(unexamined)} would change too, for so many that it is not told for whom.
        </p>
      )}
      {warnings.length > 0 && (
        <ul className="mt-3 grid gap-1 text-[0.8rem] text-warn">
          {warnings.map((warning) => (
            <li key={warning}>Note: {warning}.</li>
          ))}
        </ul>
      )}
    </>
  )
}
