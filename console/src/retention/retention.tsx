/** What is kept how long: requests by the month, what of them goes next, and everything else. */
import { useQuery } from '@tanstack/react-query'
import { get } from '../api/client.ts'
import type { RetentionView } from '../api/contract.ts'
import { Figure, Figures } from '../parts/figure.tsx'
import { PageHead } from '../parts/page-head.tsx'
import { byteParts, bytes, compact, day, plural } from '../units.ts'
import { KeptKinds } from './kept-kinds.tsx'
import { DroppedMonths, KeptMonths } from './kept-months.tsx'
import { filledMonths, inTimeOf, monthInWords, requestsOf, sumOf } from './retention-words.ts'

export default function Retention() {
  const { data, error, refetch } = useQuery({
    queryKey: ['/api/retention'],
    queryFn: ({ signal }) => get<RetentionView>('/api/retention', signal),
  })
  const retry = () => void refetch()
  return (
    <>
      <PageHead
        sentence={sentence(data)}
        isLost={data === undefined && error !== null}
        context="A month of requests goes as a whole, once it is old enough and all of it is on statements. What it came to stays: hours of usage, statements and their proof."
      />
      <div className={`grid gap-4 ${error !== null && data !== undefined ? 'stale' : ''}`}>
        {data !== undefined && <RequestFigures view={data} />}
        <KeptMonths view={data} error={error} onRetry={retry} />
        {data !== undefined && <DroppedMonths view={data} />}
        {data !== undefined && <KeptKinds kinds={data.kinds} />}
      </div>
    </>
  )
}

/** So far off the day does not matter. */
const FAR_MS = 10 * 365 * 86_400_000

function sentence(view: RetentionView | undefined): string {
  if (view === undefined) return 'Looking up what is kept.'
  const filled = filledMonths(view)
  const [oldest] = filled
  const { next } = view.requests
  if (oldest === undefined || next === null) return 'No request is kept; nothing has been asked.'
  const words = requestsOf(filled)
  const all = words.charAt(0).toUpperCase() + words.slice(1)
  const size = bytes(filled.reduce((sum, month) => sum + month.bytes, 0))
  const kept = `${all} of ${plural(filled.length, 'month')} ${filled.length === 1 && oldest.requests === 1 ? 'is' : 'are'} kept, on ${size}`
  const dueMs = Date.parse(next.dueAt)
  if (dueMs > Date.now() + FAR_MS) {
    return `${kept}; none goes before ${new Date(dueMs).getUTCFullYear()}.`
  }
  if (dueMs > Date.now()) {
    return `${kept}; ${monthInWords(oldest)} goes first, on ${day(next.dueAt).replaceAll(' ', '\u00a0')}.`
  }
  const why = next.keptBy === null ? 'goes within the hour' : 'stays until all of it is closed'
  return `${kept}; ${monthInWords(oldest)} is old enough to go, and ${why}.`
}

function RequestFigures({ view }: { view: RetentionView }) {
  const { months, next, lookedAt, dropped } = view.requests
  const filled = filledMonths(view)
  const [oldest] = filled
  const isEstimate = filled.some((month) => month.isEstimate)
  const size = byteParts(filled.reduce((sum, month) => sum + month.bytes, 0))
  const gone = dropped.reduce((sum, month) => sum + month.requests, 0)
  const isDue = next !== null && Date.parse(next.dueAt) <= Date.now()
  return (
    <Figures>
      <Figure
        label="Requests kept"
        value={compact(sumOf(filled))}
        basis={`${isEstimate ? 'about; ' : ''}for ${plural(months, 'whole month')} after their own${inTimeOf(months)}`}
        definition="Single requests on the ledger, each with what it is charged. GRISTMILL_REQUEST_MONTHS says how long."
      />
      <Figure
        label="On disk"
        value={size.value}
        unit={size.unit}
        basis="of their months, indexes included"
        definition="Size of the tables of requests in the database, by its own catalogue."
      />
      <Figure
        label="Goes next"
        value={oldest === undefined ? 'nothing' : compact(oldest.requests)}
        {...(oldest !== undefined && { unit: oldest.requests === 1 ? 'request' : 'requests' })}
        basis={
          oldest === undefined || next === null
            ? 'no month has a request'
            : `${monthInWords(oldest)}, ${isDue ? 'due since' : 'on'} ${day(next.dueAt)}`
        }
        definition={`Looked for every hour${lookedAt === null ? '' : `, last on ${day(lookedAt)}`}. A month goes within an hour after it is due.`}
      />
      <Figure
        label="Dropped so far"
        value={compact(gone)}
        unit={gone === 1 ? 'request' : 'requests'}
        basis={
          dropped.length === 0 ? 'none was old enough' : `of ${plural(dropped.length, 'month')}`
        }
        definition="Requests that are told by hours and statements alone."
      />
    </Figures>
  )
}
