/** Who pays for what was nobody's, by the chosen rule. */
import { sharedOut } from '../../base/index.ts'
import type { ChargeLine, IdleRule, Weights } from './chargeback-types.ts'

export interface IdlePart {
  cause: string
  us: bigint
  nanos: bigint
}

/** Time that each tenant used in the whole period. */
export interface SharingBasis {
  byEngine: ReadonlyMap<string, ReadonlyMap<string, bigint>>
  overall: ReadonlyMap<string, bigint>
}

/** Hands out a part; where there is nobody to pay for it, it stays with the operator. */
export function shareIdle(
  rule: IdleRule,
  { engineId, weights }: { engineId: string; weights: Weights },
  { cause, us, nanos }: IdlePart,
  basis: SharingBasis,
  add: (line: ChargeLine) => void,
): void {
  const line = { engineId, kind: 'shared', cause } as const
  const by = sharersOf(rule, engineId, weights, basis)
  if (by === undefined) {
    add({ ...line, tenantId: null, engineUs: us, nanos })
    return
  }
  const times = sharedOut(us, by)
  for (const [tenantId, share] of sharedOut(nanos, by)) {
    add({ ...line, tenantId, engineUs: times.get(tenantId) ?? 0n, nanos: share })
  }
}

/** By use: of the engine, else of all engines where nobody used it, else by weight. */
function sharersOf(
  rule: IdleRule,
  engineId: string,
  weights: Weights,
  { byEngine, overall }: SharingBasis,
): ReadonlyMap<string, bigint> | undefined {
  const isSome = (by: ReadonlyMap<string, bigint> | undefined) =>
    by !== undefined && [...by.values()].some((value) => value > 0n)
  if (rule === 'operator') return undefined
  const choices = rule === 'use' ? [byEngine.get(engineId), overall, weights.of] : [weights.of]
  // Before the first tenant there is only who will use it.
  return [...choices, overall].find(isSome)
}
