/** What each tenant was entitled to while it ran or waited, second by second. */
import type { CapacityMeter } from './capacity-meter.ts'
import type { Pool } from './pool.ts'
import { shareOf } from './ranks.ts'

/**
 * Books the time that has passed: for people a part of what was served, for the ledger a part of
 * what could have been.
 * @param served service units by engine in that time
 */
export function entitle(
  { scheduler, engines, stats }: Pick<Pool, 'scheduler' | 'engines' | 'stats'>,
  meter: CapacityMeter,
  served: ReadonlyMap<string, number>,
  nowMs: number,
  elapsedMs: number,
): void {
  for (const pool of scheduler.pools()) {
    const slots = pool.engines.reduce((sum, engine) => sum + engine.cap, 0)
    if (slots === 0) continue
    const units = pool.engines.reduce((sum, { id }) => sum + (served.get(id) ?? 0), 0)
    for (const tenant of pool.tenants.values()) {
      const part = shareOf(pool, tenant) / slots
      stats.tenant(tenant.id, nowMs).entitled.add(nowMs, Math.max(0, part * units))
      if (tenant.waiting === 0) continue
      for (const { id } of pool.engines) {
        const capacity = engines.get(id)?.profile.capacityUnitsPerS ?? 0
        meter.entitled(id, tenant.id, (part * capacity * elapsedMs) / 1000)
      }
    }
  }
}
