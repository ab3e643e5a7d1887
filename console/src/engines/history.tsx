/** The last day of an engine: a strip of its health, what failed there, and why it changed. */
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { get } from '../api/client.ts'
import type { EngineHistoryView, EngineView } from '../api/contract.ts'
import { ErrorNote } from '../parts/error-note.tsx'
import { count, duration, finePercent, moment, percent, plural } from '../units.ts'
import { type Cell, cellsOf, type Health, upShare } from './history-steps.ts'

const REFRESH_MS = 15_000
const CHANGES_SHOWN = 6
/** Shares above this fill a bar of the errors. */
const ERRORS_FULL = 0.2

const looks: Record<Health, string> = {
  up: 'bg-good',
  degraded: 'bg-warn',
  draining: 'bg-edge',
  down: 'bg-bad',
}

export function History({ engine }: { engine: EngineView }) {
  const path = `/api/engines/${engine.id}/history`
  const { data, error } = useQuery({
    queryKey: [path],
    queryFn: ({ signal }) => get<EngineHistoryView>(path, signal),
    refetchInterval: REFRESH_MS,
  })
  if (data === undefined) {
    if (error !== null) return <ErrorNote error={error} />
    return <div className="mt-3.5 h-40 border-t pt-3" />
  }
  const up = upShare(data)
  return (
    <div className={`mt-3.5 border-t pt-3 text-[0.82rem] ${error === null ? '' : 'stale'}`}>
      <div className="flex flex-wrap items-baseline justify-between gap-x-4">
        <h3 className="font-[580]">Last 24 hours</h3>
        <p className="text-soft tabular-nums">
          {up === null ? 'not watched yet' : `up ${upInWords(up)} of the time watched`}
        </p>
      </div>
      <Strip engine={engine} cells={cellsOf(data)} />
      <Errors errors={data.errors} />
      <Changes changes={data.changes} />
    </div>
  )
}

/** Only what was never away is called 100 %. */
const upInWords = (share: number) => percent(Math.floor(share * 1000) / 1000, share === 1 ? 0 : 1)

/** A cell for each quarter of an hour; pointer or arrow keys say what is in it. */
function Strip({ engine, cells }: { engine: EngineView; cells: Cell[] }) {
  const [chosen, setChosen] = useState<number | null>(null)
  const last = cells.length - 1
  const at = Math.min(chosen ?? last, last)
  const move = (index: number) => setChosen(Math.max(0, Math.min(last, index)))
  const moves: Record<string, number> = {
    ArrowLeft: at - 1,
    ArrowRight: at + 1,
    PageUp: at - 4,
    PageDown: at + 4,
    Home: 0,
    End: last,
  }
  return (
    <>
      <div
        role="slider"
        tabIndex={0}
        aria-label={`Health of ${engine.name}, last 24 hours`}
        aria-valuemin={0}
        aria-valuemax={last}
        aria-valuenow={at}
        aria-valuetext={cells[at]?.words}
        className="mt-2 flex touch-pan-y rounded-sm sm:gap-[2px]"
        onPointerMove={({ clientX, currentTarget }) => {
          const { left, width } = currentTarget.getBoundingClientRect()
          move(Math.floor(((clientX - left) / width) * cells.length))
        }}
        onPointerLeave={() => setChosen(null)}
        onBlur={() => setChosen(null)}
        onKeyDown={(event) => {
          const next = moves[event.key]
          if (next === undefined) return
          event.preventDefault()
          move(next)
        }}
      >
        {cells.map((cell, index) => (
          <CellColumn key={cell.at} cell={cell} isChosen={index === chosen} />
        ))}
      </div>
      <p aria-hidden className="mt-1 flex justify-between text-[0.7rem] text-soft">
        <span>{moment(cells[0]?.at ?? 0)}</span>
        <span className="flex gap-3">
          {(Object.keys(looks) as Health[]).map((health) => (
            <span
              key={health}
              className={`items-center gap-1 ${health === 'draining' ? 'hidden sm:inline-flex' : 'inline-flex'}`}
            >
              <i className={`size-[7px] rounded-[2px] ${looks[health]}`} /> {health}
            </span>
          ))}
        </span>
        <span>now</span>
      </p>
      <p className="mt-1.5 min-h-10 text-soft">
        {chosen === null
          ? 'Above its health, below the share of requests that it failed. Point at a time to see why.'
          : cells[at]?.words}
      </p>
    </>
  )
}

function CellColumn({ cell: { parts, attempts, failed }, isChosen }: CellColumnProps) {
  const share = attempts === 0 ? 0 : Math.min(1, failed / attempts / ERRORS_FULL)
  return (
    <span aria-hidden className={`min-w-0 flex-1 ${isChosen ? 'bg-ink/15' : ''}`}>
      <span
        className={`flex h-8 flex-col-reverse overflow-hidden sm:rounded-[2px] ${parts.length === 0 ? 'bg-sunk' : ''}`}
      >
        {parts.map(({ health, share: part }) => (
          // What was short is still seen.
          <i key={health} className={`min-h-1 ${looks[health]}`} style={{ flexGrow: part }} />
        ))}
      </span>
      <span className="mt-1 flex h-5 items-start">
        {share > 0 && (
          <i
            className="min-h-0.5 w-full rounded-b-[2px] bg-bad"
            style={{ height: `${share * 100}%` }}
          />
        )}
      </span>
    </span>
  )
}

interface CellColumnProps {
  cell: Cell
  isChosen: boolean
}

/** How often it failed lately, and how. */
function Errors({ errors }: { errors: EngineHistoryView['errors'] }) {
  return (
    <dl className="mt-2 grid gap-1.5">
      {errors.map(({ spanS, attempts, failed, causes }) => (
        <div
          key={spanS}
          className="grid grid-cols-[4.5rem_1fr] gap-x-3 sm:grid-cols-[4.5rem_7rem_1fr]"
        >
          <dt className="text-soft">{spanS === 86_400 ? '24 h' : duration(spanS * 1000)}</dt>
          <dd
            className={`font-[580] tabular-nums ${failed > 0 ? 'text-bad' : ''}`}
            title="Failed requests ÷ requests sent there; a retry counts anew"
          >
            {attempts === 0 ? 'no requests' : `${finePercent(failed / attempts)} failed`}
          </dd>
          <dd className="text-soft max-sm:col-start-2">
            {attempts > 0 &&
              `${count(failed)} of ${plural(attempts, 'request')}${causesInWords(causes)}`}
          </dd>
        </div>
      ))}
    </dl>
  )
}

const causeWords: Record<string, string> = {
  unreachable: 'not connected',
  broken: 'broken off',
  timeout: 'silent',
  withdrawn: 'withdrawn',
}

function causesInWords(causes: EngineHistoryView['errors'][number]['causes']): string {
  if (causes.length === 0) return ''
  const words = causes.map(
    ({ cause, count: times }) =>
      `${count(times)} ${causeWords[cause] ?? cause.replace('_', '\u00a0')}`,
  )
  return `: ${words.join(', ')}`
}

function Changes({ changes }: { changes: EngineHistoryView['changes'] }) {
  if (changes.length === 0) return null
  return (
    <details className="mt-2">
      <summary className="cursor-pointer text-accent">When and why it changed</summary>
      <ol className="mt-1.5 grid gap-1">
        {changes.slice(0, CHANGES_SHOWN).map(({ at, state, reason }) => (
          <li key={at} className="flex gap-3">
            <span className="shrink-0 text-soft tabular-nums">{moment(at)}</span>
            <span>
              <i
                aria-hidden
                className={`mr-1.5 inline-block size-[7px] rounded-[2px] ${looks[state]}`}
              />
              {state}: <span className="text-soft">{reason}</span>
            </span>
          </li>
        ))}
      </ol>
    </details>
  )
}
