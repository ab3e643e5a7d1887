/** An engine over a time in which neither its cost nor the weight of a tenant changed. */
import type { IdleCause, Weights } from './chargeback-types.ts'

export interface CostSpan extends SpanSums {
  engineId: string
  /** Nanos for an hour; undefined where no cost is set. */
  hourly: bigint | undefined
  weights: Weights
}

/** What its minutes come to, in whatever order and groups they are added. */
export interface SpanSums {
  registeredUs: bigint
  /** Time that was nobody's, by cause. */
  idle: Map<IdleCause, bigint>
  uses: Map<string, Use>
  /** Time lent for each millionth of weight, in `LENT_SCALE`ths of a microsecond. */
  lentByWeight: bigint
}

/** What one tenant used of it. */
export interface Use {
  usedUs: bigint
  entitledUs: bigint
  /** What it lent besides what follows from its weight, in `LENT_SCALE`ths of a microsecond. */
  lent: bigint
  microUnits: bigint
  /** Millionths of a unit, by cause. */
  waste: Map<string, bigint>
}

/** So fine that the sum of what is lent does not depend on the order of minutes. */
export const LENT_SCALE = 10n ** 12n

export function addTo<Key>(sums: Map<Key, bigint>, key: Key, more: bigint): void {
  sums.set(key, (sums.get(key) ?? 0n) + more)
}
