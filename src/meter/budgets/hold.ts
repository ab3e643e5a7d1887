/** What is set aside for one request in the budgets that apply to it. */
import type { Reserved } from '../types.ts'
import type { Applied } from './budget-list.ts'
import type { Cost } from './budget-types.ts'
import type { CounterState, Taken } from './lease-book.ts'
import type { LeaseKeeper } from './lease-keeper.ts'

/** How the budget stands of which least is left. */
export interface TightestBudget {
  budget: Applied['budget']
  left: bigint
  /** Infinity: never. */
  renewsAtMs: number
}

export interface HoldOptions {
  keeper: LeaseKeeper
  applied: readonly Applied[]
  /** As many as are applied. */
  taken: readonly Taken[]
  outputTokens: number
  isClamped: boolean
  engineMsMax: number | null
}

export class Hold {
  /** Output tokens that it is enough for; fewer than were asked for where it was clamped. */
  readonly outputTokens: number
  readonly isClamped: boolean
  /** Time at an engine that it is enough for, milliseconds; null where nothing depends on it. */
  readonly engineMsMax: number | null
  readonly #keeper: LeaseKeeper
  readonly #applied: readonly Applied[]
  readonly #taken: readonly Taken[]
  #isSettled = false

  constructor(options: HoldOptions) {
    this.#keeper = options.keeper
    this.#applied = options.applied
    this.#taken = options.taken
    this.outputTokens = options.outputTokens
    this.isClamped = options.isClamped
    this.engineMsMax = options.engineMsMax
  }

  /** As the intent carries it. */
  get reserved(): Reserved {
    return this.#taken.map((taken) => [
      taken.counterId,
      this.#keeper.holderOf(taken),
      taken.amount.toString(),
    ])
  }

  /** Gives back what was not spent; once, further calls do nothing. */
  settle(spent: Cost): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#taken.forEach((taken, at) => {
      const unit = this.#applied[at]?.budget.unit
      if (unit !== undefined) this.#keeper.settle(taken, spent[unit])
    })
  }

  /** undefined while nothing is known of any. */
  get tightest(): TightestBudget | undefined {
    let found: { applied: Applied; state: CounterState } | undefined
    for (let at = 0; at < this.#applied.length; at++) {
      const applied = this.#applied[at]
      const state = this.#taken[at]?.held.state
      if (applied === undefined || state === undefined) continue
      if (found !== undefined && shareLeft(found.state) <= shareLeft(state)) continue
      found = { applied, state }
    }
    if (found === undefined) return undefined
    const { budget, bounds } = found.applied
    return { budget, left: leftOf(found.state), renewsAtMs: bounds.endMs }
  }
}

const shareLeft = (state: CounterState) =>
  state.limit === 0n ? 0 : Number(leftOf(state)) / Number(state.limit)

/** What is not spent; parts of it may be set aside. */
export function leftOf({ limit, spent }: Pick<CounterState, 'limit' | 'spent'>): bigint {
  return limit > spent ? limit - spent : 0n
}
