/** Who pays for what was nobody's, by the chosen rule. */
import { Sharing } from '../../base/index.ts'
import type { IdleRule, Weights } from './chargeback-types.ts'
import type { LineSum } from './line-sum.ts'

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

/** Hands out what was nobody's; where there is nobody to pay for it, it stays with the operator. */
export class IdleSharing {
  readonly #rule: IdleRule
  readonly #basis: SharingBasis
  readonly #lines: LineSum
  /** The same weights share out parts of hundreds of tenants. */
  readonly #sharings = new Map<ReadonlyMap<string, bigint>, Sharing>()

  constructor(rule: IdleRule, basis: SharingBasis, lines: LineSum) {
    this.#rule = rule
    this.#basis = basis
    this.#lines = lines
  }

  share(
    { engineId, weights }: { engineId: string; weights: Weights },
    { cause, us, nanos }: IdlePart,
  ): void {
    if (us === 0n && nanos === 0n) return
    const add = this.#lines.of(engineId, 'shared', cause)
    const by = sharersOf(this.#rule, engineId, weights, this.#basis)
    if (by === undefined) {
      add(null, us, nanos)
      return
    }
    const sharing = this.#sharings.get(by) ?? new Sharing(by)
    this.#sharings.set(by, sharing)
    const times = sharing.shareOut(us)
    for (const [at, share] of sharing.shareOut(nanos).entries()) {
      add(sharing.names[at] as string, times[at] as bigint, share)
    }
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
