/** Who runs or waits in a pool, and what of theirs is counted there. */
import type { Arrival, PoolGroup, TenantState } from './scheduler-types.ts'
import type { TicketState } from './ticket-state.ts'

/** A ticket of the tenant waits or runs (`1`), or no longer does (`-1`). */
export function countInteractive(ticket: TicketState, change: 1 | -1): void {
  const { pool, tenant, isBackground } = ticket.lane
  if (isBackground) return
  if (change < 0) pool.needed.leave(ticket)
  if (tenant.interactive === 0) pool.interactiveWeight += tenant.weight
  tenant.interactive += change
  if (tenant.interactive === 0) pool.interactiveWeight -= tenant.weight
}

/** A pool knows only the tenants that run or wait in it. */
export function tenantOf(pool: PoolGroup, arrival: Arrival): TenantState {
  let tenant = pool.tenants.get(arrival.tenantId)
  if (tenant === undefined) {
    const counts = { waiting: 0, queued: 0, inFlight: 0, interactive: 0 }
    tenant = { id: arrival.tenantId, weight: 0, ...counts, lane: undefined }
    pool.tenants.set(tenant.id, tenant)
  }
  const more = arrival.tenantWeight - tenant.weight
  if (more === 0) return tenant
  // Its accounts are told of the new weight as their lanes are found anew.
  tenant.lane = undefined
  pool.activeWeight += more
  if (tenant.interactive > 0) pool.interactiveWeight += more
  tenant.weight = arrival.tenantWeight
  return tenant
}

export function forgetIdle(pool: PoolGroup, tenant: TenantState): void {
  if (tenant.waiting > 0 || tenant.inFlight > 0) return
  pool.tenants.delete(tenant.id)
  pool.activeWeight = pool.tenants.size === 0 ? 0 : pool.activeWeight - tenant.weight
}
