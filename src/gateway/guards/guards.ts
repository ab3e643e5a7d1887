/** The gateway's guards: which a request meets, and its way past them. */
import { GuardBook, GuardRun } from '../../guard/index.ts'
import type { Principal } from '../../tenancy/index.ts'
import type { CanonicalRequest } from '../canonical.ts'
import type { GatewayMetrics } from '../gateway-metrics.ts'
import type { GatewayOptions, RouteTable } from '../types.ts'
import { type Guarding, guardedRequest } from './before.ts'

export class Guards {
  readonly #routes: RouteTable
  readonly #book: GuardBook
  readonly #metrics: GatewayMetrics

  constructor(options: GatewayOptions, metrics: GatewayMetrics) {
    this.#routes = options.routes
    this.#book = new GuardBook(options)
    this.#metrics = metrics
  }

  /** What a request meets; null where there are no guards for it. */
  of(request: CanonicalRequest, principal: Principal, requestId: string): Guarding | null {
    const { guards } = this.#routes
    if (guards.length === 0) return null
    const { model } = request
    const { tenantId, tenantName } = principal
    const route = this.#routes.find(model)?.name
    const set = this.#book.setFor(guards, { tenantId, tenantName, model, route })
    return set && { set, run: new GuardRun({ requestId, tenant: tenantName, model }) }
  }

  /** As `guardedRequest`; what is refused is counted here, since nothing is booked. */
  checked(
    request: CanonicalRequest,
    guarding: Guarding,
  ): CanonicalRequest | Promise<CanonicalRequest> {
    const count = (error: unknown): never => {
      this.#metrics.guarded(guarding.run.results)
      throw error
    }
    try {
      const guarded = guardedRequest(request, guarding)
      return guarded instanceof Promise ? guarded.catch(count) : guarded
    } catch (error) {
      return count(error)
    }
  }
}
