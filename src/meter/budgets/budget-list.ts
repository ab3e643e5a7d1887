/** The budgets that hold, found by who asks, with the counter of each at a moment. Pure. */
import type { Budget, BudgetStanding, Spender } from './budget-types.ts'
import { type PeriodBounds, periodAt } from './period.ts'

const EACH = '*'
const NONE: readonly Budget[] = []

/** A budget that applies to a request, and the count that it goes to. */
export interface Applied {
  budget: Budget
  subject: string
  counterId: string
  bounds: PeriodBounds
}

export class BudgetList {
  readonly budgets: readonly Budget[]
  readonly #byScope = new Map<string, Budget[]>()
  readonly #zoneOf: (tenantId: string) => string
  /** The present periods, so that the calendar is not asked for each request. */
  readonly #periods = new Map<string, PeriodBounds>()

  /** @param zoneOf by whose days a tenant's budgets renew */
  constructor(budgets: readonly Budget[], zoneOf: (tenantId: string) => string) {
    this.budgets = budgets
    this.#zoneOf = zoneOf
    for (const budget of budgets) {
      const key = scopeOf(budget)
      const same = this.#byScope.get(key)
      if (same === undefined) this.#byScope.set(key, [budget])
      else same.push(budget)
    }
  }

  get isEmpty(): boolean {
    return this.budgets.length === 0
  }

  /** All that apply to whoever asks. */
  for({ tenantId, projectId, keyId, endUser }: Spender, nowMs: number): Applied[] {
    const of = (key: string) => this.#byScope.get(key) ?? NONE
    const found = [...of(`t ${tenantId}`), ...of(`p ${projectId}`), ...of(`k ${keyId}`)]
    if (endUser !== null) {
      found.push(...of(`u ${tenantId} ${endUser}`))
      if (endUser !== EACH) found.push(...of(`u ${tenantId} ${EACH}`))
    }
    return found.map((budget) => this.applied(budget, endUser, nowMs))
  }

  /** @param endUser who asks; decides the count where each has one */
  applied(budget: Budget, endUser: string | null, nowMs: number): Applied {
    const subject = budget.endUser === EACH ? (endUser ?? '') : ''
    const bounds = this.#boundsOf(budget, nowMs)
    return { budget, subject, bounds, counterId: `${budget.id}|${bounds.startMs}|${subject}` }
  }

  #boundsOf({ id, period, tenantId }: Budget, nowMs: number): PeriodBounds {
    const known = this.#periods.get(id)
    if (known !== undefined && known.startMs <= nowMs && nowMs < known.endMs) return known
    const bounds = periodAt(period, nowMs, this.#zoneOf(tenantId))
    this.#periods.set(id, bounds)
    return bounds
  }
}

/** The budget that a counter is of. */
export const budgetOf = (counterId: string) => counterId.slice(0, counterId.indexOf('|'))

function scopeOf({ tenantId, projectId, keyId, endUser }: Budget): string {
  if (keyId !== null) return `k ${keyId}`
  if (projectId !== null) return `p ${projectId}`
  return endUser === null ? `t ${tenantId}` : `u ${tenantId} ${endUser}`
}

/** @param counters by identifier; what is missing has spent nothing */
export function standingOf(
  { budget, subject, bounds, counterId }: Applied,
  counters: ReadonlyMap<string, { spent: bigint; leased: bigint }>,
): BudgetStanding {
  const { spent, leased } = counters.get(counterId) ?? { spent: 0n, leased: 0n }
  return { budget, subject, ...bounds, spent, leased }
}
