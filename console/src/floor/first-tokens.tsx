/** Time to first token by tenant, from median to 99th percentile, against what was promised. */
import { memo, useState } from 'react'
import { useCalmFeed } from '../api/live.ts'
import { hueStyle } from '../hues.ts'
import { Card } from '../parts/card.tsx'
import { MoreButton } from '../parts/more-button.tsx'
import { Swatch } from '../parts/tenant-name.tsx'
import { count, duration, promised } from '../units.ts'
import { type FloorTenant, ordered } from './floor-model.ts'

const ROWS_MAX = 9
/** The axis, milliseconds; logarithmic, because what matters spans four decades. */
const FROM_MS = 10
const TO_MS = 60_000
const marks = [
  { ms: 100, label: '0.1' },
  { ms: 1000, label: '1' },
  { ms: 10_000, label: '10 s' },
]

const place = (ms: number) => {
  const part = Math.log(Math.max(ms, FROM_MS) / FROM_MS) / Math.log(TO_MS / FROM_MS)
  return Math.min(1, part) * 100
}

export function FirstTokens() {
  const { floor, state } = useCalmFeed()
  const [isOpen, setOpen] = useState(false)
  const tenants = ordered(floor?.tenants ?? []).filter(({ ttftSamples }) => ttftSamples > 0)
  const shown = isOpen ? tenants : tenants.slice(0, ROWS_MAX)
  const span = floor === null ? '' : `last ${duration(floor.ttft.spanS * 1000)}, median to p99`
  return (
    <Card title="First token by tenant" note={span} isStale={state.kind === 'lost'}>
      {floor !== null && tenants.length === 0 && (
        <p className="py-2 text-[0.8rem] text-soft">
          No interactive request was answered in this span, so there is nothing to compare.
        </p>
      )}
      <ul className="grid gap-0.5">
        {shown.map((tenant) => (
          <FirstTokenRow key={tenant.id} {...rowOf(tenant)} isShort={tenants.length > ROWS_MAX} />
        ))}
      </ul>
      {tenants.length > 0 && <Axis />}
      <MoreButton total={tenants.length} shown={ROWS_MAX} isOpen={isOpen} onToggle={setOpen} />
      <p className="mt-2.5 flex flex-wrap gap-x-4 gap-y-1 text-[0.75rem] text-soft">
        <span className="inline-flex items-center gap-1.5">
          <i aria-hidden className="inline-block h-3 w-0.5 bg-ink" /> promised
        </span>
        <span>bar = median to 99th percentile, logarithmic</span>
      </p>
    </Card>
  )
}

interface RowProps {
  name: string
  hue: number
  p50: number | null
  p99: number | null
  samples: number
  promise: number
}

/** One line instead of two, where there are many tenants. */
interface FirstTokenRowProps extends RowProps {
  isShort: boolean
}

/** Two significant digits are what these samples carry, and keep the picture still. */
function rowOf({ name, hue, ttftP50Ms, ttftP99Ms, ttftSamples, ttftPromiseMs }: FloorTenant) {
  const settle = (ms: number | null) => (ms === null ? null : Number(ms.toPrecision(2)))
  const row: RowProps = {
    name,
    hue,
    p50: settle(ttftP50Ms),
    p99: settle(ttftP99Ms),
    samples: ttftSamples,
    promise: ttftPromiseMs,
  }
  return row
}

const columns = 'grid grid-cols-[minmax(4.5rem,6.5rem)_1fr_6.4rem] items-center gap-3'

const FirstTokenRow = memo(function FirstTokenRow(props: FirstTokenRowProps) {
  const { name, hue, p50, p99, samples, promise, isShort } = props
  const isLate = p99 !== null && p99 > promise
  const title = `${name}: ${count(samples)} first tokens, median ${inWords(p50)}, 99th percentile ${inWords(p99)}, promised ${promised(promise)}`
  return (
    <li
      title={title}
      style={hueStyle(hue)}
      className={`tenant ${isShort ? 'min-h-[30px]' : 'min-h-[38px]'} ${columns}`}
    >
      <span className="min-w-0 leading-tight">
        <span className="flex items-center gap-2">
          <Swatch hue={hue} />
          <span className="truncate font-[560]">{name}</span>
        </span>
        {!isShort && (
          <span className="block truncate pl-[17px] text-[0.72rem] text-soft">
            n = {count(samples)}
          </span>
        )}
      </span>
      <span className="relative h-3.5">
        <i aria-hidden className="absolute inset-x-0 top-1/2 h-px bg-line" />
        {p50 !== null && p99 !== null && (
          <i
            aria-hidden
            className="absolute inset-y-1 min-w-1.5 rounded-full bg-tenant"
            style={{ left: `${place(p50)}%`, width: `${Math.max(0, place(p99) - place(p50))}%` }}
          />
        )}
        <i
          aria-hidden
          className="absolute -inset-y-1 w-0.5 bg-ink"
          style={{ left: `${place(promise)}%` }}
        />
      </span>
      <span className="text-right text-[0.8rem] whitespace-nowrap text-soft tabular-nums">
        {inWords(p50)} ·{' '}
        <b className={`font-[580] ${isLate ? 'text-bad' : 'text-ink'}`}>
          {inWords(p99)}
          {isLate && <span className="sr-only"> (later than promised)</span>}
        </b>
      </span>
    </li>
  )
})

const inWords = (ms: number | null) => (ms === null ? 'unknown' : duration(ms))

function Axis() {
  return (
    <div aria-hidden className={`text-[0.7rem] text-soft ${columns}`}>
      <span />
      <span className="relative h-4">
        {marks.map(({ ms, label }) => (
          <span
            key={ms}
            className="absolute -translate-x-1/2 whitespace-nowrap"
            style={{ left: `${place(ms)}%` }}
          >
            {label}
          </span>
        ))}
      </span>
      <span className="text-right">p50 · p99</span>
    </div>
  )
}
