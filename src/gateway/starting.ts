/**
 * From a request that was let in to its life: it is admitted, what it may cost is set aside where a
 * budget asks for that, and it gets its ticket.
 */
import { type Hold, NO_COST } from '../meter/index.ts'
import { type Admission, type Arrival, admitted } from './admission.ts'
import { beginningsOf } from './beginnings.ts'
import { budgetRequestOf, clamped } from './budget-request.ts'
import type { CanonicalRequest } from './canonical.ts'
import type { LifeOptions, LifeServices } from './life-types.ts'
import type { LiveRequests } from './live-requests.ts'
import { RequestLife } from './request-life.ts'
import type { Standing } from './standing.ts'
import { ticketRequestOf } from './ticket-request.ts'
import type { BudgetDesk } from './types.ts'

export class Starting {
  readonly #services: LifeServices
  readonly #admission: Admission
  readonly #budgets: BudgetDesk
  readonly #live: LiveRequests

  constructor(
    services: LifeServices,
    admission: Admission,
    budgets: BudgetDesk,
    live: LiveRequests,
  ) {
    this.#services = services
    this.#admission = admission
    this.#budgets = budgets
    this.#live = live
  }

  /**
   * @param isStill asked after a wait: false where nobody wants it any more
   * @returns a promise where it has to wait for a budget; of undefined where `isStill` said no
   * @throws GristmillError `model_not_found`, `no_target`, `budget_unbounded`, …; a promise also
   *   `budget_exceeded`, `budget_used_up`, `budget_reserved`
   */
  start(
    asked: CanonicalRequest,
    standing: Standing,
    given: Arrival,
    isStill: () => boolean,
  ): RequestLife | Promise<RequestLife | undefined> {
    const options = admitted(this.#admission, asked, standing, given)
    if (this.#budgets.isEmpty) return this.#begin(options)
    let hold: Hold | Promise<Hold> | null
    try {
      const { tenantId, projectId, keyId } = given.principal
      const spender = { tenantId, projectId, keyId, endUser: standing.endUser }
      hold = this.#budgets.hold(spender, budgetRequestOf(options))
    } catch (error) {
      this.#drop(options)
      throw error
    }
    if (hold === null) return this.#begin(options)
    if (hold instanceof Promise) return this.#later(options, hold, isStill)
    options.hold = hold
    return this.#begin(options)
  }

  async #later(
    options: LifeOptions,
    waiting: Promise<Hold>,
    isStill: () => boolean,
  ): Promise<RequestLife | undefined> {
    let hold: Hold | undefined
    try {
      hold = await waiting
      if (isStill()) return this.#begin(clamped({ ...options, hold }, hold))
    } catch (error) {
      this.#drop(options, hold)
      throw error
    }
    this.#drop(options, hold)
    return undefined
  }

  #drop({ charge }: LifeOptions, hold?: Hold): void {
    this.#admission.rates.correct(charge, 0)
    hold?.settle(NO_COST)
  }

  #begin(options: LifeOptions): RequestLife {
    const { pool, clock } = this.#services
    const { request, course, principal, standing } = options
    const life = new RequestLife(this.#services, options)
    const wanted = ticketRequestOf(options)
    if (course !== undefined) {
      wanted.model = course.queue
      wanted.arrivedAtMs = clock.monotonicMs()
    }
    if (pool.asksBeginnings(wanted.model)) {
      wanted.beginnings = beginningsOf(request, principal.tenantId, standing.sessionId)
    }
    this.#live.roster.add(life)
    // Before it can end, which it may at once.
    options.recording?.begun(life)
    life.begin(wanted)
    return life
  }
}
