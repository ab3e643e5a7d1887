/** Who runs or waits in a pool, what they weigh there, and what of theirs is counted. */
import type { Arrival, PoolGroup, TenantState } from './scheduler-types.ts'
import type { TicketState } from './ticket-state.ts'
import type { Weights } from './weights.ts'

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
export function tenantOf(pool: PoolGroup, arrival: Arrival, weights: Weights): TenantState {
  const tenant = pool.tenants.get(arrival.tenantId)
  if (tenant === undefined) return enter(pool, arrival.tenantId, weights.ofTenant(arrival))
  if (tenant.weight !== arrival.tenantWeight) weigh(pool, tenant, weights.ofTenant(arrival))
  return tenant
}

/** Its accounts are told what it weighs as their lanes are found. */
function enter(pool: PoolGroup, id: string, weight: number): TenantState {
  const counts = { waiting: 0, queued: 0, inFlight: 0, interactive: 0 }
  const tenant = { id, weight, ...counts, lane: undefined }
  pool.tenants.set(id, tenant)
  pool.activeWeight += weight
  return tenant
}

/** What was received stays as it was counted; no heap is in another order by this. */
function weigh(pool: PoolGroup, tenant: TenantState, weight: number): void {
  const more = weight - tenant.weight
  if (more === 0) return
  tenant.weight = weight
  pool.activeWeight += more
  if (tenant.interactive > 0) pool.interactiveWeight += more
  for (const { root } of [pool.bands.interactive, pool.bands.background]) {
    const account = root.children.get(tenant.id)
    if (account !== undefined) account.weight = weight
  }
}

/** A tenant weighs so much from now on, or a project of it where one is named. */
export function reweigh(
  pool: PoolGroup,
  weight: number,
  tenantId: string,
  projectId: string | undefined,
): void {
  const tenant = pool.tenants.get(tenantId)
  if (tenant === undefined) return
  if (projectId === undefined) {
    weigh(pool, tenant, weight)
    return
  }
  for (const { root } of [pool.bands.interactive, pool.bands.background]) {
    const project = root.children.get(tenantId)?.children.get(projectId)
    if (project !== undefined) project.weight = weight
  }
}

export function forgetIdle(pool: PoolGroup, tenant: TenantState): void {
  if (tenant.waiting > 0 || tenant.inFlight > 0) return
  pool.tenants.delete(tenant.id)
  pool.activeWeight = pool.tenants.size === 0 ? 0 : pool.activeWeight - tenant.weight
}
