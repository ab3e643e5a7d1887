/** The budgets that hold, found by who asks, with the counter of each at a moment. Pure. */
import type { Budget, BudgetStanding, Spender } from './budget-types.ts'
import { type PeriodBounds, periodAt } from './period.ts'

const EACH = '*'

/** A budget that applies to a request, and the count that it goes to. */
export interface Applied {
  budget: Budget
  subject: string
  counterId: string
  bounds: PeriodBounds
}

export class BudgetList {
  readonly budgets: readonly Budget[]
  readonly #ofTenant = new Map<string, Budget[]>()
  readonly #ofProject = new Map<string, Budget[]>()
  readonly #ofKey = new Map<string, Budget[]>()
  readonly #ofEndUser = new Map<string, Budget[]>()
  readonly #zoneOf: (tenantId: string) => string
  /** In the present periods, so that neither calendar nor text is made for each request. */
  readonly #current = new Map<string, Applied>()

  /** @param zoneOf by whose days a tenant's budgets renew */
  constructor(budgets: readonly Budget[], zoneOf: (tenantId: string) => string) {
    this.budgets = budgets
    this.#zoneOf = zoneOf
    for (const budget of budgets) {
      const { tenantId, projectId, keyId, endUser } = budget
      if (keyId !== null) put(this.#ofKey, keyId, budget)
      else if (projectId !== null) put(this.#ofProject, projectId, budget)
      else if (endUser !== null) put(this.#ofEndUser, `${tenantId} ${endUser}`, budget)
      else put(this.#ofTenant, tenantId, budget)
    }
  }

  get isEmpty(): boolean {
    return this.budgets.length === 0
  }

  /** All that apply to whoever asks. */
  for({ tenantId, projectId, keyId, endUser }: Spender, nowMs: number): Applied[] {
    const found: Applied[] = []
    const add = (budgets: readonly Budget[] | undefined) => {
      if (budgets === undefined) return
      for (const budget of budgets) found.push(this.applied(budget, endUser, nowMs))
    }
    add(this.#ofTenant.get(tenantId))
    if (this.#ofProject.size > 0) add(this.#ofProject.get(projectId))
    if (this.#ofKey.size > 0) add(this.#ofKey.get(keyId))
    if (endUser === null || this.#ofEndUser.size === 0) return found
    add(this.#ofEndUser.get(`${tenantId} ${endUser}`))
    if (endUser !== EACH) add(this.#ofEndUser.get(`${tenantId} ${EACH}`))
    return found
  }

  /** @param endUser who asks; decides the count where each has one */
  applied(budget: Budget, endUser: string | null, nowMs: number): Applied {
    const current = this.#currentOf(budget, nowMs)
    if (budget.endUser !== EACH || endUser === null) return current
    return countedBy(budget, endUser, current.bounds)
  }

  #currentOf(budget: Budget, nowMs: number): Applied {
    const known = this.#current.get(budget.id)
    if (known !== undefined && known.bounds.startMs <= nowMs && nowMs < known.bounds.endMs) {
      return known
    }
    const bounds = periodAt(budget.period, nowMs, this.#zoneOf(budget.tenantId))
    const current = countedBy(budget, '', bounds)
    this.#current.set(budget.id, current)
    return current
  }
}

const countedBy = (budget: Budget, subject: string, bounds: PeriodBounds): Applied => ({
  budget,
  subject,
  bounds,
  counterId: `${budget.id}|${bounds.startMs}|${subject}`,
})

function put(map: Map<string, Budget[]>, key: string, budget: Budget): void {
  const same = map.get(key)
  if (same === undefined) map.set(key, [budget])
  else same.push(budget)
}

/** The budget that a counter is of. */
export const budgetOf = (counterId: string) => counterId.slice(0, counterId.indexOf('|'))

/** @param counters by identifier; what is missing has spent nothing */
export function standingOf(
  { budget, subject, bounds, counterId }: Applied,
  counters: ReadonlyMap<string, { spent: bigint; leased: bigint }>,
): BudgetStanding {
  const { spent, leased } = counters.get(counterId) ?? { spent: 0n, leased: 0n }
  return { budget, subject, ...bounds, spent, leased }
}
