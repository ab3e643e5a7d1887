/** The budgets that hold, found by who asks, with the counter of each at a moment. Pure. */
import type { Budget, BudgetStanding, Spender } from './budget-types.ts'
import { type PeriodBounds, periodAt } from './period.ts'

const EACH = '*'
/** By which the clocks of two zones differ at most. */
const ZONES_MS_MAX = 26 * 3_600_000

/** A budget that applies to a request, and the count that it goes to. */
export interface Applied {
  budget: Budget
  subject: string
  counterId: string
  bounds: PeriodBounds
}

/** Budgets of one tenant, project, key or end user, with their counters in the present periods. */
interface Group {
  budgets: Budget[]
  applied: readonly Applied[]
  fromMs: number
  untilMs: number
}

export class BudgetList {
  readonly budgets: readonly Budget[]
  readonly #ofTenant = new Map<string, Group>()
  readonly #ofProject = new Map<string, Group>()
  readonly #ofKey = new Map<string, Group>()
  readonly #ofEndUser = new Map<string, Group>()
  readonly #zoneOf: (tenantId: string) => string
  /** When the last period of budgets began, milliseconds. */
  readonly #begunMs: Map<string, number>

  /**
   * @param zoneOf by whose days a tenant's budgets renew
   * @param begunMs when the last period of budgets that anything was spent of began
   */
  constructor(
    budgets: readonly Budget[],
    zoneOf: (tenantId: string) => string,
    begunMs: ReadonlyMap<string, number> = new Map(),
  ) {
    this.budgets = budgets
    this.#zoneOf = zoneOf
    this.#begunMs = new Map(begunMs)
    for (const budget of budgets) {
      const { tenantId, projectId, keyId, endUser } = budget
      if (keyId !== null) put(this.#ofKey, keyId, budget)
      else if (projectId !== null) put(this.#ofProject, projectId, budget)
      else if (endUser !== null) put(this.#ofEndUser, `${tenantId} ${endUser}`, budget)
      else put(this.#ofTenant, tenantId, budget)
    }
  }

  /**
   * The list with some budgets as they are now.
   * @param ids those that have changed; they have ended where they are not in `now`
   */
  after(
    ids: ReadonlySet<string>,
    now: readonly Budget[],
    begunMs: ReadonlyMap<string, number>,
  ): BudgetList {
    const isOther = (id: string) => !ids.has(id)
    const budgets = [...this.budgets.filter(({ id }) => isOther(id)), ...now]
    const begun = [...this.#begunMs].filter(([id]) => isOther(id))
    budgets.sort((a, b) => (a.id < b.id ? -1 : 1))
    return new BudgetList(budgets, this.#zoneOf, new Map([...begun, ...begunMs]))
  }

  get isEmpty(): boolean {
    return this.budgets.length === 0
  }

  /** All that apply to whoever asks. */
  for({ tenantId, projectId, keyId, endUser }: Spender, nowMs: number): readonly Applied[] {
    let found = this.#present(this.#ofTenant.get(tenantId), nowMs)
    const add = (group: Group | undefined): void => {
      if (group !== undefined) found = [...found, ...this.#present(group, nowMs)]
    }
    if (this.#ofProject.size > 0) add(this.#ofProject.get(projectId))
    if (this.#ofKey.size > 0) add(this.#ofKey.get(keyId))
    if (endUser === null || this.#ofEndUser.size === 0) return found
    if (endUser !== EACH) add(this.#ofEndUser.get(`${tenantId} ${endUser}`))
    const each = this.#present(this.#ofEndUser.get(`${tenantId} ${EACH}`), nowMs)
    return [...found, ...each.map(({ budget, bounds }) => countedBy(budget, endUser, bounds))]
  }

  /** All budgets, those of each end user without one. */
  all(nowMs: number): Applied[] {
    const groups = [this.#ofTenant, this.#ofProject, this.#ofKey, this.#ofEndUser]
    const found = groups.flatMap((map) => [...map.values()])
    const applied = found.flatMap((group) => this.#present(group, nowMs))
    return applied.sort((a, b) => (a.budget.id < b.budget.id ? -1 : 1))
  }

  /** Worked out once in a period, so that neither calendar nor text is made for each request. */
  #present(group: Group | undefined, nowMs: number): readonly Applied[] {
    if (group === undefined) return NONE
    if (nowMs < group.fromMs || nowMs >= group.untilMs) {
      group.applied = group.budgets.map((budget) => {
        return countedBy(budget, '', this.#boundsOf(budget, nowMs))
      })
      group.fromMs = Math.max(...group.applied.map(({ bounds }) => bounds.startMs))
      group.untilMs = Math.min(...group.applied.map(({ bounds }) => bounds.endMs))
    }
    return group.applied
  }

  /** A week or month goes on where its tenant has moved to another zone: what is spent is spent. */
  #boundsOf({ id, period, tenantId }: Budget, nowMs: number): PeriodBounds {
    const bounds = periodAt(period, nowMs, this.#zoneOf(tenantId))
    if (period !== 'week' && period !== 'month') return bounds
    const begunMs = this.#begunMs.get(id)
    const isSame = begunMs !== undefined && Math.abs(begunMs - bounds.startMs) <= ZONES_MS_MAX
    const startMs = isSame ? begunMs : bounds.startMs
    this.#begunMs.set(id, startMs)
    return { ...bounds, startMs }
  }
}

const NONE: readonly Applied[] = []

const countedBy = (budget: Budget, subject: string, bounds: PeriodBounds): Applied => ({
  budget,
  subject,
  bounds,
  counterId: `${budget.id}|${bounds.startMs}|${subject}`,
})

function put(map: Map<string, Group>, key: string, budget: Budget): void {
  const same = map.get(key)
  if (same !== undefined) same.budgets.push(budget)
  // Of no time yet.
  else map.set(key, { budgets: [budget], applied: NONE, fromMs: 0, untilMs: 0 })
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
