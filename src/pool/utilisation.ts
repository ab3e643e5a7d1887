/**
 * The one definition of utilisation, for the mill floor, metrics and everybody else: service that
 * kept its promise ÷ (calibrated capacity × seconds that engines were registered).
 */
import type { Clock } from '../base/index.ts'
import type { Pool } from './pool.ts'
import { UTILISATION_SPAN_MS } from './pool-stats.ts'
import type { PoolFloor } from './types.ts'

/** Above this the capacity is wrong, not the engine wonderful. */
const VOID_ABOVE = 1.02

/** Over the last five minutes at most; void where the figure cannot be true. */
export function utilisationOf(pool: Pool, clock: Clock): PoolFloor['utilisation'] {
  const nowMs = clock.monotonicMs()
  const places = [...pool.engines.values()]
  const capacity = places.reduce<number | null>((sum, { profile }) => {
    return sum === null || profile.capacityUnitsPerS === null
      ? null
      : sum + profile.capacityUnitsPerS
  }, 0)
  const oldest = Math.min(...places.map((engine) => engine.registeredAtMs))
  const spanMs = Math.min(UTILISATION_SPAN_MS, Math.max(1000, clock.nowMs() - oldest))
  const goodput = pool.stats.goodput.sum(nowMs, spanMs) / (spanMs / 1000)
  const computed = pool.stats.computed.sum(nowMs, spanMs)
  const engines = pool.scheduler.engines()
  const cap = engines.reduce((sum, engine) => sum + engine.cap, 0)
  const inFlight = engines.reduce((sum, e) => sum + Math.min(e.inFlight, e.cap), 0)
  const value = capacity === null || capacity === 0 ? null : goodput / capacity
  const isVoid = value !== null && value > VOID_ABOVE
  return {
    value: isVoid ? null : value,
    voidReason: isVoid
      ? 'More was done than calibration found possible; calibrate the engines anew.'
      : null,
    spanS: Math.round(spanMs / 1000),
    capacityUnitsPerS: capacity === 0 ? null : capacity,
    goodputUnitsPerS: goodput,
    slotOccupancy: cap === 0 ? 0 : inFlight / cap,
    wasteShare: computed > 0 ? pool.stats.wasted.sum(nowMs, spanMs) / computed : 0,
  }
}
