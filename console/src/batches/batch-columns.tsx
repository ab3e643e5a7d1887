/** The columns of the list of batches. */
import { Link } from 'wouter'
import type { BatchView } from '../api/contract.ts'
import type { Column } from '../parts/data-table.tsx'
import { TenantName } from '../parts/tenant-name.tsx'
import { compact, count, moment } from '../units.ts'
import { isWaiting, statusWords } from './batch-sentences.ts'
import {
  donePercent,
  doneShare,
  endedLines,
  pace,
  standingWords,
  timeInWords,
} from './batch-words.ts'
import { ProgressBar } from './progress-bar.tsx'

type Named = { name: string; hue: number } | undefined

export function batchColumns(tenantOf: (id: string) => Named, nowMs: number): Column<BatchView>[] {
  return [
    {
      title: 'Made',
      show: ({ id, createdAt }) => (
        <Link
          href={`/batches/${id}`}
          title={`${moment(createdAt)}, ${id}`}
          className="whitespace-nowrap text-accent underline-offset-2 hover:underline"
        >
          {timeInWords(createdAt, nowMs)}
        </Link>
      ),
      csv: ({ createdAt }) => createdAt,
    },
    { title: 'Batch', show: ({ id }) => <ShortId id={id} />, csv: ({ id }) => id },
    {
      title: 'Tenant',
      show: ({ tenantId }) => {
        const tenant = tenantOf(tenantId)
        return <TenantName name={tenant?.name ?? tenantId} hue={tenant?.hue ?? -1} />
      },
      csv: ({ tenantId }) => tenantOf(tenantId)?.name ?? tenantId,
    },
    { title: 'Model', show: ({ model }) => model ?? '–', csv: ({ model }) => model },
    {
      title: 'Status',
      show: (batch) => (
        <span
          className={`whitespace-nowrap ${isWaiting(batch) ? 'text-warn' : statusWords[batch.status].look}`}
          title={batch.reason ?? statusWords[batch.status].note}
        >
          {isWaiting(batch) ? 'lines wait' : statusWords[batch.status].words}
        </span>
      ),
      csv: ({ status }) => status,
    },
    {
      title: 'Progress',
      note: 'Lines that have their end, of all lines of the input',
      show: (batch) => <Progress batch={batch} hue={tenantOf(batch.tenantId)?.hue ?? -1} />,
      csv: doneShare,
    },
    ...countColumns,
    ...endColumns(nowMs),
  ]
}

const countColumns: Column<BatchView>[] = [
  {
    title: 'Failed',
    note: 'Lines that ended with an error, or were given up with their batch',
    show: (batch) => {
      const isBad = batch.lines.failed > 0
      return <span className={isBad ? 'text-bad' : 'text-soft'}>{count(batch.lines.failed)}</span>
    },
    csv: ({ lines }) => lines.failed,
    isNumber: true,
  },
  {
    title: 'Pace',
    note: 'Lines that ended per second, over the last minute',
    show: ({ forecast }) => (forecast.linesPerS === null ? '–' : pace(forecast.linesPerS)),
    csv: ({ forecast }) => forecast.linesPerS,
    isNumber: true,
  },
]

const endColumns = (nowMs: number): Column<BatchView>[] => [
  {
    title: 'Ends',
    note: 'When it ended, or is expected to; hover for the basis',
    show: (batch) => <End batch={batch} nowMs={nowMs} />,
    csv: ({ endedAt, forecast }) => endedAt ?? forecast.endsAt,
    isNumber: true,
  },
  {
    title: 'Window until',
    note: 'What has no answer then is given up',
    show: ({ expiresAt, endedAt }) => (
      <span className={endedAt === null ? '' : 'text-soft'}>{timeInWords(expiresAt, nowMs)}</span>
    ),
    csv: ({ expiresAt }) => expiresAt,
    isNumber: true,
  },
]

/** The end of an id tells batches apart; its beginning is their time. */
function ShortId({ id }: { id: string }) {
  return (
    <code title={id} className="font-mono text-[0.75rem] whitespace-nowrap text-soft">
      …{id.slice(-6)}
    </code>
  )
}

function Progress({ batch, hue }: { batch: BatchView; hue: number }) {
  const { total } = batch.lines
  if (total === 0) {
    return <span className="text-soft">{batch.endedAt === null ? 'not known yet' : '–'}</span>
  }
  return (
    <span className="block w-[11rem] max-w-full">
      <span className="mb-1 flex justify-between gap-3 tabular-nums">
        <span>{donePercent(batch)}</span>
        <span className="whitespace-nowrap text-soft">
          {compact(endedLines(batch))} of {compact(total)}
        </span>
      </span>
      <ProgressBar batch={batch} hue={hue} />
    </span>
  )
}

function End({ batch, nowMs }: { batch: BatchView; nowMs: number }) {
  const { endedAt, forecast } = batch
  if (endedAt !== null) return <>{timeInWords(endedAt, nowMs)}</>
  const risk = standingWords[forecast.standing]
  const basis = [forecast.basis, risk].filter(Boolean).join(' ')
  if (forecast.endsAt === null) {
    return (
      <span className="text-soft" title={basis}>
        unknown
      </span>
    )
  }
  return (
    <span title={basis} className={risk === null ? '' : 'text-warn'}>
      ~ {timeInWords(forecast.endsAt, nowMs)}
      {risk !== null && <span className="block text-[0.75rem]">window at risk</span>}
    </span>
  )
}
