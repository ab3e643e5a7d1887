/** How far a batch is: ended, failed, on an engine, waiting in the pool, still to come. */
import type { BatchView } from '../api/contract.ts'
import { hueStyle } from '../hues.ts'
import { count } from '../units.ts'
import { donePercent, hasGivenUp } from './batch-words.ts'

interface Part {
  name: string
  lines: number
  look: string
}

function partsOf(batch: BatchView): Part[] {
  const { total, completed, failed, queued, running } = batch.lines
  if (hasGivenUp(batch)) {
    return [
      { name: 'completed', lines: completed, look: 'bg-tenant' },
      { name: 'failed or not run', lines: total - completed, look: 'bg-sunk' },
    ]
  }
  const rest = Math.max(0, total - completed - failed - queued - running)
  return [
    { name: 'completed', lines: completed, look: 'bg-tenant' },
    { name: 'failed', lines: failed, look: 'bg-bad' },
    { name: 'running', lines: running, look: 'bg-tenant/45' },
    { name: 'queued', lines: queued, look: 'hatched' },
    { name: 'to come', lines: rest, look: 'bg-sunk' },
  ]
}

export interface ProgressBarProps {
  batch: BatchView
  hue: number
  isTall?: boolean
}

export function ProgressBar({ batch, hue, isTall = false }: ProgressBarProps) {
  const shown = partsOf(batch).filter(({ lines }) => lines > 0)
  const words = shown.map(({ name, lines }) => `${count(lines)} ${name}`).join(', ')
  return (
    <div
      role="img"
      aria-label={`${donePercent(batch)} done: ${words || 'no lines known yet'}`}
      title={words}
      style={hueStyle(hue)}
      className={`tenant flex w-full overflow-hidden bg-sunk ${
        isTall ? 'h-7 rounded-md' : 'h-2 rounded-full'
      }`}
    >
      {shown.map(({ name, lines, look }) => (
        <i key={name} className={`min-w-[2px] basis-0 ${look}`} style={{ flexGrow: lines }} />
      ))}
    </div>
  )
}

/** The bar's shades with their numbers. */
export function ProgressLegend({ batch, hue }: { batch: BatchView; hue: number }) {
  return (
    <ul
      style={hueStyle(hue)}
      className="tenant mt-2.5 flex flex-wrap gap-x-5 gap-y-1 text-[0.78rem] text-soft"
    >
      {partsOf(batch).map(({ name, lines, look }) => (
        <li key={name} className="inline-flex items-center gap-1.5 tabular-nums">
          <i aria-hidden className={`inline-block size-2.5 rounded-[3px] border ${look}`} />
          <b className="font-[580] text-ink">{count(lines)}</b> {name}
        </li>
      ))}
    </ul>
  )
}
