/** What the pool knows of its own recent past: service, goodput, waste, first tokens, rates. */
import type { ServiceClass } from '../base/index.ts'
import { RecentSamples, RollingSum } from './windows.ts'

const MINUTE_MS = 60_000
const RATE_SPAN_MS = 10_000
export const UTILISATION_SPAN_MS = 300_000
export const TTFT_SPAN_MS = 300_000
export const HISTORY_STEP_MS = 5_000
export const HISTORY_STEPS = 180

const RETRY_AFTER_MS = { least: 1_000, most: 60_000, unknown: 5_000 }

export class TenantStats {
  readonly service = new RollingSum(1000, 61)
  readonly entitled = new RollingSum(1000, 61)
  readonly outputTokens = new RollingSum(1000, 11)
  readonly dispatches = new RollingSum(1000, 61)
  readonly ttft = new RecentSamples(1024)
  readonly id: string
  lastSeenMs = 0

  constructor(id: string) {
    this.id = id
  }
}

type HistoryLayer = 'interactive' | 'flex' | 'batch' | 'waste'

export class PoolStats {
  readonly tenants = new Map<string, TenantStats>()
  readonly dispatches = new RollingSum(1000, 61)
  readonly inputTokens = new RollingSum(1000, 11)
  readonly outputTokens = new RollingSum(1000, 11)
  readonly cachedTokens = new RollingSum(1000, 61)
  readonly promptTokens = new RollingSum(1000, 61)
  readonly goodput = new RollingSum(5000, 61)
  readonly wasted = new RollingSum(5000, 61)
  readonly computed = new RollingSum(5000, 61)
  readonly ttft = new RecentSamples(4096)
  readonly history: Record<HistoryLayer, RollingSum> = {
    interactive: new RollingSum(HISTORY_STEP_MS, HISTORY_STEPS + 1),
    flex: new RollingSum(HISTORY_STEP_MS, HISTORY_STEPS + 1),
    batch: new RollingSum(HISTORY_STEP_MS, HISTORY_STEPS + 1),
    waste: new RollingSum(HISTORY_STEP_MS, HISTORY_STEPS + 1),
  }

  #last: TenantStats | undefined

  tenant(id: string, nowMs: number): TenantStats {
    // What happens to a request is noted in several places, one after the other.
    const stats = this.#last?.id === id ? this.#last : (this.tenants.get(id) ?? this.#add(id))
    stats.lastSeenMs = nowMs
    this.#last = stats
    return stats
  }

  #add(id: string): TenantStats {
    const stats = new TenantStats(id)
    this.tenants.set(id, stats)
    return stats
  }

  /** @param units service units; negative ones correct an estimate */
  served(nowMs: number, tenantId: string, serviceClass: ServiceClass, units: number): void {
    this.tenant(tenantId, nowMs).service.add(nowMs, units)
    this.computed.add(nowMs, units)
    const layer = serviceClass === 'flex' || serviceClass === 'batch' ? serviceClass : 'interactive'
    this.history[layer].add(nowMs, units)
  }

  firstToken(nowMs: number, tenantId: string, ttftMs: number): void {
    this.tenant(tenantId, nowMs).ttft.add(nowMs, ttftMs)
    this.ttft.add(nowMs, ttftMs)
  }

  /**
   * Dispatches per second in the last ten seconds, or where there were none in the last minute;
   * of one tenant where named.
   */
  dispatchRate(nowMs: number, tenantId?: string): number {
    const of = tenantId === undefined ? this.dispatches : this.tenants.get(tenantId)?.dispatches
    return of?.rate(nowMs, RATE_SPAN_MS) || of?.rate(nowMs, MINUTE_MS) || 0
  }

  /** When to come back, from the rate at which the tenant's queue was served lately. */
  retryAfterMs(nowMs: number, tenantId: string): number {
    const perS = this.dispatchRate(nowMs, tenantId)
    if (perS === 0) return RETRY_AFTER_MS.unknown
    return Math.min(RETRY_AFTER_MS.most, Math.max(RETRY_AFTER_MS.least, 1000 / perS))
  }

  /** Forgets tenants that have not been seen for fifteen minutes. */
  forget(nowMs: number): void {
    this.#last = undefined
    for (const [id, stats] of this.tenants) {
      if (nowMs - stats.lastSeenMs > 15 * MINUTE_MS) this.tenants.delete(id)
    }
  }
}
