/** A batch between its making and the end of its window: what happened when, what is expected. */
import type { BatchView } from '../api/contract.ts'
import { Card } from '../parts/card.tsx'
import { clockTime, duration, moment } from '../units.ts'
import { statusWords } from './batch-sentences.ts'

interface Stop {
  name: string
  atMs: number | null
  note: string
  look: string
}

export interface TimelineProps {
  batch: BatchView
  isStale: boolean
  nowMs: number
}

export function Timeline({ batch, isStale, nowMs }: TimelineProps) {
  const stops = stopsOf(batch, nowMs)
  const from = Date.parse(batch.createdAt)
  const until = Date.parse(batch.expiresAt)
  return (
    <Card title="Timeline" note={`window of ${duration(until - from)}`} isStale={isStale}>
      <Bar batch={batch} nowMs={nowMs} />
      <ol className="mt-3 grid gap-x-6 gap-y-3 text-[0.82rem] sm:grid-cols-2 lg:grid-cols-4">
        {stops.map(({ name, atMs, note, look }) => (
          <li key={name} className="flex items-baseline gap-2">
            <i aria-hidden className={`size-2.5 shrink-0 rounded-[3px] ${look}`} />
            <span className="min-w-0">
              <span className="block text-soft">{name}</span>
              {atMs === null ? (
                <span className="text-soft">unknown</span>
              ) : (
                <time
                  dateTime={new Date(atMs).toISOString()}
                  title={moment(atMs)}
                  className="font-[580]"
                >
                  {pointInTime(atMs, nowMs)}
                </time>
              )}
              <span className="block text-[0.75rem] text-soft">{note}</span>
            </span>
          </li>
        ))}
      </ol>
    </Card>
  )
}

function pointInTime(atMs: number, nowMs: number): string {
  const isToday = new Date(atMs).toDateString() === new Date(nowMs).toDateString()
  return isToday ? clockTime(atMs) : moment(atMs)
}

/** Read, run, expected to run, still free; once it has ended, only what there was. */
function Bar({ batch, nowMs }: { batch: BatchView; nowMs: number }) {
  const from = Date.parse(batch.createdAt)
  const ended = msOf(batch.endedAt)
  const expires = Date.parse(batch.expiresAt)
  const now = ended ?? nowMs
  const started = Math.min(now, msOf(batch.startedAt) ?? now)
  const ends = ended ?? Math.max(now, msOf(batch.forecast.endsAt) ?? now)
  const inTime = Math.max(now, Math.min(ends, expires))
  const legs = [
    { name: 'validated', ms: started - from, look: 'bg-(--grain-2)' },
    { name: 'ran', ms: now - started, look: 'bg-(--grain-1)' },
    { name: 'expected to run', ms: inTime - now, look: 'hatched [--tenant:var(--grain-1)]' },
    { name: 'past its window', ms: ends - inTime, look: 'hatched [--tenant:var(--bad)]' },
    { name: 'left of its window', ms: ended === null ? expires - ends : 0, look: 'bg-sunk' },
  ].filter(({ ms }) => ms > 0)
  const words = legs.map(({ name, ms }) => `${name}: ${duration(ms)}`).join(', ')
  return (
    <div
      role="img"
      aria-label={words}
      title={words}
      className="flex h-3 overflow-hidden rounded-full bg-sunk"
    >
      {legs.map(({ name, ms, look }) => (
        <i key={name} className={`min-w-[3px] basis-0 ${look}`} style={{ flexGrow: ms }} />
      ))}
    </div>
  )
}

const msOf = (at: string | null) => (at === null ? null : Date.parse(at))

/** In order of time. */
function stopsOf(batch: BatchView, nowMs: number): Stop[] {
  const { createdAt, startedAt, endedAt, expiresAt, status, reason } = batch
  const from = Date.parse(createdAt)
  const started = msOf(startedAt)
  const stops: Stop[] = [
    { name: 'Made', atMs: from, note: 'the window begins', look: 'bg-(--grain-2)' },
  ]
  if (started !== null) {
    const note = `its lines were checked in ${duration(started - from)}`
    stops.push({ name: 'Began to run', atMs: started, note, look: 'bg-(--grain-1)' })
  }
  if (endedAt !== null) {
    const { words, note } = statusWords[status]
    const ended = { name: `Ended: ${words}`, atMs: Date.parse(endedAt), note: reason ?? note }
    return [...stops, { ...ended, look: 'bg-(--grain-1)' }]
  }
  const expires = Date.parse(expiresAt)
  const note = 'what has no answer then is given up'
  const window = { name: 'Window ends', atMs: expires, note, look: 'border bg-sunk' }
  const expected = expectedStop(batch, expires, nowMs)
  const isLate = expected.atMs !== null && expected.atMs > expires
  return [...stops, ...(isLate ? [window, expected] : [expected, window])]
}

function expectedStop({ forecast }: BatchView, expires: number, nowMs: number): Stop {
  const atMs = msOf(forecast.endsAt)
  const look = 'hatched border [--tenant:var(--grain-1)]'
  if (atMs === null) return { name: 'Expected end', atMs, note: forecast.basis, look }
  const note =
    atMs > expires
      ? `${duration(atMs - expires)} past its window`
      : `in about ${duration(Math.max(0, atMs - nowMs))}, at the pace of the last minute`
  return { name: 'Expected end', atMs, note, look }
}
