/** The four figures below the sentence, each with its definition. */
import type { FloorView } from '../api/contract.ts'
import { Figure, Figures } from '../parts/figure.tsx'
import { count, duration, durationParts, percent, rate, seconds } from '../units.ts'

export const definitions = {
  utilisation:
    'Utilisation = goodput ÷ (calibrated capacity × seconds that engines were registered). Goodput is the service, in cost units, of work that kept its promise: late answers do not count, however busy the slots are.',
  tokens: 'Output tokens streamed per second, and prompt tokens read per second, all tenants.',
  ttft: 'From the arrival of an interactive request to the first event with content, 99th percentile.',
  waiting: 'Requests that are queued and not yet on an engine, by service class.',
}

export function HeadlineFigures({ floor, isStale }: { floor: FloorView | null; isStale: boolean }) {
  if (floor === null) return <LoadingFigures />
  const { utilisation, tokens, ttft } = floor
  const p99 = ttft.p99Ms === null ? null : durationParts(Number(ttft.p99Ms.toPrecision(3)))
  const waiting = Object.values(floor.waitingByClass).reduce((sum, value) => sum + value, 0)
  return (
    <Figures isStale={isStale}>
      <Figure
        label={`Utilisation, last ${duration(utilisation.spanS * 1000)}`}
        value={utilisation.value === null ? null : (utilisation.value * 100).toFixed(1)}
        unit="%"
        basis={utilisationBasis(utilisation)}
        definition={definitions.utilisation}
      />
      <Figure
        label="Tokens per second"
        value={rate(tokens.outPerS)}
        unit="out"
        basis={`${rate(tokens.inPerS)} in · ${cached(tokens.cachedShare)}`}
        definition={definitions.tokens}
      />
      <Figure
        label="First token, interactive"
        value={p99?.value ?? null}
        unit={`${p99?.unit ?? ''} p99`}
        basis={ttftBasis(ttft)}
        definition={definitions.ttft}
      />
      <Figure
        label="Waiting"
        value={count(waiting)}
        unit={waiting === 1 ? 'request' : 'requests'}
        basis={waitingBasis(floor)}
        definition={definitions.waiting}
      />
    </Figures>
  )
}

function utilisationBasis(utilisation: FloorView['utilisation']) {
  const { value, voidReason, capacityUnitsPerS, slotOccupancy } = utilisation
  if (value === null || capacityUnitsPerS === null) {
    const why = voidReason ?? 'Capacity is not calibrated yet.'
    return `${why} ${percent(slotOccupancy)} of slots are busy.`
  }
  const busy = `slots ${percent(slotOccupancy)} busy`
  return `goodput ÷ ${rate(capacityUnitsPerS)} units/s · ${busy}`
}

function cached(share: number | null): string {
  return share === null ? 'no prompts yet' : `${percent(share)} of prompts from cache`
}

function ttftBasis({ p50Ms, samples, spanS }: FloorView['ttft']): string {
  const span = duration(spanS * 1000)
  if (samples === 0 || p50Ms === null) return `no first token in the last ${span}`
  return `median ${duration(Number(p50Ms.toPrecision(3)))} · n = ${count(samples)} in ${span}`
}

function waitingBasis({ waitingByClass, oldestWaitMs }: FloorView): string {
  const parts = (['priority', 'standard', 'flex', 'batch'] as const)
    .filter((name) => waitingByClass[name] > 0)
    .map((name) => `${count(waitingByClass[name])} ${name}`)
  if (parts.length === 0) return 'nobody is queued'
  return `${parts.join(' · ')}${oldestWaitMs === null ? '' : `, oldest ${seconds(oldestWaitMs)}`}`
}

function LoadingFigures() {
  const labels = ['Utilisation', 'Tokens per second', 'First token, interactive', 'Waiting']
  return (
    <Figures>
      {labels.map((label) => (
        <div key={label} className="-mt-px -ml-px border-t border-l px-4 pt-3.5 pb-3 sm:px-[18px]">
          <p className="text-[0.8rem] text-soft">{label}</p>
          <div className="mt-2 mb-[7px] h-[1.65rem] w-20 rounded bg-sunk" />
          <div className="h-[0.9rem] w-32 max-w-full rounded bg-sunk/70" />
        </div>
      ))}
    </Figures>
  )
}
