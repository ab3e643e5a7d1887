/** The last day of an engine as cells of a strip, each with its words. */
import type { EngineHistoryView } from '../api/contract.ts'
import { clockTime, count, duration, finePercent } from '../units.ts'

type Step = EngineHistoryView['steps'][number]
export type Health = EngineHistoryView['changes'][number]['state']

export interface Cell {
  at: number
  /** Parts of the time watched, worst first; none where nobody watched. */
  parts: { health: Health; share: number }[]
  attempts: number
  failed: number
  words: string
}

/** What the ends of minutes leave over is no time away. */
const ROUNDING_S = 1
const WORST_FIRST = ['down', 'degraded', 'draining', 'up'] as const

export function cellsOf(history: EngineHistoryView): Cell[] {
  const { fromAt, stepS, stepCount, steps, changes } = history
  const known = new Map(steps.map((step) => [Date.parse(step.at), step]))
  return Array.from({ length: stepCount }, (_, index) => {
    const at = Date.parse(fromAt) + index * stepS * 1000
    const step = known.get(at)
    const isIn = (change: { at: string }) =>
      Date.parse(change.at) >= at && Date.parse(change.at) < at + stepS * 1000
    return {
      at,
      parts: step === undefined ? [] : partsOf(step),
      attempts: step?.attempts ?? 0,
      failed: step?.failed ?? 0,
      words: [
        `${hourAndMinute(at)}–${hourAndMinute(at + stepS * 1000)}: ${stepInWords(step)}`,
        ...changes.filter(isIn).toReversed().map(changeInWords),
      ].join(' '),
    }
  })
}

const hourAndMinute = (at: number | string) => clockTime(at).slice(0, 5)

const changeInWords = ({ at, state, reason }: EngineHistoryView['changes'][number]) =>
  `${hourAndMinute(at)} ${state}: ${reason}`

function secondsOf({ registeredS, upS, degradedS, drainingS }: Step): Record<Health, number> {
  const downS = registeredS - upS - drainingS
  return {
    down: downS > ROUNDING_S ? downS : 0,
    degraded: degradedS,
    draining: drainingS,
    up: upS - degradedS,
  }
}

function partsOf(step: Step): Cell['parts'] {
  const seconds = secondsOf(step)
  const sum = WORST_FIRST.reduce((total, health) => total + seconds[health], 0)
  return WORST_FIRST.filter((health) => seconds[health] > 0).map((health) => ({
    health,
    share: seconds[health] / sum,
  }))
}

function stepInWords(step: Step | undefined): string {
  if (step === undefined) return 'nobody watched it.'
  const seconds = secondsOf(step)
  const parts = WORST_FIRST.filter((health) => seconds[health] > 0)
  const health =
    parts.length === 1
      ? parts.join('')
      : parts.map((one) => `${one} for ${duration(seconds[one] * 1000)}`).join(', ')
  return `${health}; ${errorsInWords(step)}.`
}

/** 3 of 120 requests failed (2.5 %) */
function errorsInWords({ attempts, failed }: { attempts: number; failed: number }): string {
  if (attempts === 0) return 'no requests'
  if (failed === 0) return `none of ${count(attempts)} requests failed`
  return `${count(failed)} of ${count(attempts)} requests failed (${finePercent(failed / attempts)})`
}

/** Share of the time watched in which it took requests, degraded or not; null where none was. */
export function upShare({ steps }: EngineHistoryView): number | null {
  const sum = (value: (step: Step) => number) => steps.reduce((all, step) => all + value(step), 0)
  const down = sum((step) => secondsOf(step).down)
  const watched = sum(({ registeredS }) => registeredS)
  return watched === 0 ? null : 1 - down / watched
}
