/** What was measured of an engine and when, and a button to measure it anew. */
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useChange } from '../api/changes.ts'
import { get } from '../api/client.ts'
import type { CalibrationView, EngineView } from '../api/contract.ts'
import { Button } from '../parts/button.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { shellWord } from '../parts/shell-word.ts'
import { ago, count, duration, moment, percent, rate } from '../units.ts'

const RUNNING_MS = 1000

interface CalibrationProps {
  engine: EngineView
  mayWrite: boolean
}

export function Calibration({ engine, mayWrite }: CalibrationProps) {
  const { id, name, state } = engine
  const path = `/api/engines/${id}/calibration`
  const client = useQueryClient()
  const { data, error } = useQuery({
    queryKey: [path],
    queryFn: ({ signal }) => get<CalibrationView>(path, signal),
    refetchInterval: ({ state: { data: known } }) =>
      known?.state === 'running' ? RUNNING_MS : false,
  })
  const begin = useChange<CalibrationView>(['/api/engines'], (view) =>
    client.setQueryData([path], view),
  )
  const isRunning = data?.state === 'running'
  return (
    <div className="mt-3.5 border-t pt-3">
      <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2">
        <div className="min-w-0 text-[0.82rem]">
          <h3 className="inline font-[580]">Calibration</h3>{' '}
          <span className="text-soft">{data && inWords(data)}</span>
        </div>
        {mayWrite && (
          <Button
            disabled={isRunning || begin.isPending || state !== 'up'}
            title={`gristmill engine calibrate ${shellWord(name)}`}
            onClick={() => begin.mutate({ method: 'POST', path: `/api/engines/${id}/calibrate` })}
          >
            {isRunning ? `Calibrating, ${percent(data.progress)}` : 'Calibrate anew'}
          </Button>
        )}
      </div>
      {error !== null && <ErrorNote error={error} />}
      {begin.error !== null && <ErrorNote error={begin.error} />}
      {data?.state === 'failed' && data.failure !== null && (
        <p className="mt-1 text-[0.82rem] text-bad">The last one failed: {data.failure}</p>
      )}
      {data?.last != null && <Found last={data.last} />}
    </div>
  )
}

function inWords({ state, last }: CalibrationView): string {
  if (state === 'running') return 'runs behind all other work, about a minute'
  if (last === null) return 'none by this gateway yet: capacity is what the engine says, if it does'
  return `${moment(last.measuredAt)}, ${ago(last.measuredAt, Date.now())}, with ${last.model}. ${last.cause}`
}

type Last = NonNullable<CalibrationView['last']>

function Found({ last }: { last: Last }) {
  const { points, capacityUnitsPerS, knee, readTokensPerS, writeTokensPerS, weights } = last
  const facts = [
    {
      fact: 'Knee',
      value: `${count(knee)} at once, ${rate(last.kneeUnitsPerS)} units/s`,
      note: 'Fewest requests at once that do nearly as much as any number, while tokens come quickly',
    },
    {
      fact: 'Reads, writes',
      value: `${rate(readTokensPerS)}, ${rate(writeTokensPerS)} tokens/s`,
      note: 'Prompt tokens read and output tokens written per second, at their best',
    },
    {
      fact: 'Cost weights',
      value: `output ${rate(weights.output)}, cached ${weights.cached.toFixed(2)}`,
      note: 'Units of an output token and of a prompt token found in the cache; a prompt token is 1. They hold from the next start on.',
    },
    {
      fact: 'Token gap',
      value: last.tokenGapMs === null ? 'unknown' : duration(last.tokenGapMs),
      note: 'p95 of the mean time between tokens of a request, at the knee',
    },
  ]
  return (
    <div className="mt-2.5 grid items-end gap-x-6 gap-y-3 sm:grid-cols-[minmax(9rem,14rem)_1fr]">
      <Sweep points={points} capacity={capacityUnitsPerS} knee={knee} />
      <dl className="grid grid-cols-2 gap-x-6 gap-y-2.5 text-[0.82rem]">
        {facts.map(({ fact, value, note }) => (
          <div key={fact} title={note} className="min-w-0">
            <dt className="text-[0.75rem] text-soft">{fact}</dt>
            <dd className="break-words tabular-nums">{value}</dd>
          </div>
        ))}
      </dl>
    </div>
  )
}

interface SweepProps {
  points: Last['points']
  capacity: number
  knee: number
}

/** Service by requests at once, a bar each; the knee is dark. */
function Sweep({ points, capacity, knee }: SweepProps) {
  const words = points
    .map(({ concurrency, unitsPerS }) => `${concurrency}: ${rate(unitsPerS)} units/s`)
    .join(', ')
  return (
    <div role="img" aria-label={`Service by requests at once: ${words}`} title={words}>
      <div className="flex h-14 items-end gap-1 border-b">
        {points.map(({ concurrency, unitsPerS }, at) => (
          <i
            // biome-ignore lint/suspicious/noArrayIndexKey: mixes are measured at the same number
            key={at}
            className={`flex-1 rounded-t-[3px] ${concurrency === knee ? 'bg-(--grain-1)' : 'bg-(--grain-1)/40'}`}
            style={{ height: `${Math.min(100, (unitsPerS / Math.max(1, capacity)) * 100)}%` }}
          />
        ))}
      </div>
      <p aria-hidden className="mt-1 flex gap-1 text-[0.7rem] text-soft tabular-nums">
        {points.map(({ concurrency }, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: mixes are measured at the same number
          <span key={at} className="flex-1 text-center">
            {concurrency}
          </span>
        ))}
      </p>
    </div>
  )
}
