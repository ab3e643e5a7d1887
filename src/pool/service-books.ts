/** What tenants and engines received, for people and the ledger of capacity. Decides nothing. */
import { bandOf } from '../base/index.ts'
import type { CapacityMeter } from './capacity-meter.ts'
import { entitle } from './entitlement.ts'
import type { Pool } from './pool.ts'
import type { PoolTicket } from './ticket.ts'

export class ServiceBooks {
  readonly #pool: Pick<Pool, 'scheduler' | 'engines' | 'stats'>
  readonly #meter: CapacityMeter
  /** Service by engine since the last second was booked. */
  readonly #served = new Map<string, number>()

  constructor(pool: Pick<Pool, 'scheduler' | 'engines' | 'stats'>, meter: CapacityMeter) {
    this.#pool = pool
    this.#meter = meter
  }

  serve({ engineId, request }: PoolTicket, nowMs: number, units: number): void {
    const { tenantId, serviceClass } = request
    this.#pool.stats.served(nowMs, tenantId, serviceClass, units)
    if (engineId === undefined) return
    this.#served.set(engineId, (this.#served.get(engineId) ?? 0) + units)
    this.#pool.engines.get(engineId)?.control.served(units)
    this.#meter.served(engineId, tenantId, bandOf(serviceClass), units)
  }

  started({ request }: PoolTicket, nowMs: number): void {
    const { stats } = this.#pool
    stats.dispatches.add(nowMs, 1)
    stats.tenant(request.tenantId, nowMs).dispatches.add(nowMs, 1)
    stats.inputTokens.add(nowMs, request.estimatedInputTokens)
  }

  generated({ engineId = '', request }: PoolTicket, nowMs: number, outputTokens: number): void {
    const { stats } = this.#pool
    stats.outputTokens.add(nowMs, outputTokens)
    stats.tenant(request.tenantId, nowMs).outputTokens.add(nowMs, outputTokens)
    const tokens = this.#pool.engines.get(engineId)?.control.tokens
    if (tokens !== undefined) tokens.output += outputTokens
  }

  read(
    { engineId = '' }: PoolTicket,
    nowMs: number,
    uncachedTokens: number,
    cachedTokens: number,
  ): void {
    const { stats } = this.#pool
    stats.promptTokens.add(nowMs, uncachedTokens + cachedTokens)
    stats.cachedTokens.add(nowMs, cachedTokens)
    const tokens = this.#pool.engines.get(engineId)?.control.tokens
    if (tokens === undefined) return
    tokens.input += uncachedTokens
    tokens.cached += cachedTokens
  }

  waste({ engineId, request }: PoolTicket, nowMs: number, cause: string, units: number): void {
    const { stats } = this.#pool
    stats.wasted.add(nowMs, units)
    stats.history.waste.add(nowMs, units)
    if (engineId !== undefined) this.#meter.wasted(engineId, request.tenantId, cause, units)
  }

  /** Books what everybody was entitled to in the time that has passed. */
  entitle(nowMs: number, elapsedMs: number): void {
    entitle(this.#pool, this.#meter, this.#served, nowMs, elapsedMs)
    this.#served.clear()
  }
}
