/** Batches under way, on the mill floor: one line for each, soonest window first. */
import { useQuery } from '@tanstack/react-query'
import { Link } from 'wouter'
import { get } from '../api/client.ts'
import type { BatchView, Page } from '../api/contract.ts'
import { useTenantNames } from '../api/lists.ts'
import { Card } from '../parts/card.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { TenantName } from '../parts/tenant-name.tsx'
import { compact, plural } from '../units.ts'
import { donePercent, pace, standingWords, timeInWords } from './batch-words.ts'
import { ProgressBar } from './progress-bar.tsx'

const REFRESH_MS = 3000
const SHOWN_MAX = 4
const READ_MAX = 100
const PATH = `/api/batches?status=in_progress&limit=${READ_MAX}`

export default function BatchStrip() {
  const { data, error, refetch } = useQuery({
    queryKey: [PATH],
    queryFn: ({ signal }) => get<Page<BatchView>>(PATH, signal),
    refetchInterval: REFRESH_MS,
  })
  const rows = data?.rows.toSorted((a, b) => (a.expiresAt < b.expiresAt ? -1 : 1))
  const more = (rows?.length ?? 0) - SHOWN_MAX
  return (
    <Card
      title="Batches in progress"
      note={
        <Link href="/batches" className="text-accent underline-offset-2 hover:underline">
          all batches
        </Link>
      }
      isStale={error !== null && rows !== undefined}
    >
      {rows === undefined && error !== null && (
        <ErrorNote error={error} onRetry={() => void refetch()} />
      )}
      {rows === undefined && error === null && <div className="h-5 rounded bg-sunk/70" />}
      {rows?.length === 0 && (
        <p className="text-[0.82rem] text-soft">
          None. A batch would fill the room that interactive work leaves free.
        </p>
      )}
      <Lines rows={rows?.slice(0, SHOWN_MAX) ?? []} />
      {more > 0 && (
        <p className="mt-2 text-[0.8rem] text-soft">
          {data?.next === null ? '' : 'at least '}
          {plural(more, 'more', 'more')}
        </p>
      )}
    </Card>
  )
}

function Lines({ rows }: { rows: readonly BatchView[] }) {
  const names = useTenantNames()
  const nowMs = Date.now()
  return (
    <ul className="grid gap-2.5">
      {rows.map((batch) => {
        const { id, tenantId, model, forecast, lines } = batch
        const tenant = names.get(tenantId)
        const risk = standingWords[forecast.standing]
        return (
          <li
            key={id}
            className="grid grid-cols-[1fr_auto] items-center gap-x-4 gap-y-1 text-[0.82rem] sm:grid-cols-[9rem_1fr_19rem]"
          >
            <Link href={`/batches/${id}`} title={id} className="min-w-0 hover:underline">
              <TenantName name={tenant?.name ?? 'a tenant'} hue={tenant?.hue ?? -1} />
            </Link>
            <span className="max-sm:order-last max-sm:col-span-2">
              <ProgressBar batch={batch} hue={tenant?.hue ?? -1} />
            </span>
            <span
              title={[model, forecast.basis, risk].filter(Boolean).join(' · ')}
              className="text-right text-[0.78rem] text-soft tabular-nums"
            >
              <b className="font-[580] text-ink">{donePercent(batch)}</b> of {compact(lines.total)}
              {forecast.linesPerS !== null && (
                <span className="max-sm:hidden"> · {pace(forecast.linesPerS)}</span>
              )}
              {forecast.endsAt !== null && (
                <span className={risk === null ? '' : 'text-warn'}>
                  {' '}
                  · ends ~ {timeInWords(forecast.endsAt, nowMs)}
                </span>
              )}
            </span>
          </li>
        )
      })}
    </ul>
  )
}
