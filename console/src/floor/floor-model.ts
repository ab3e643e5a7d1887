/** What the parts of the mill floor share: tenants by id, order, totals. */
import type { FloorView } from '../api/contract.ts'

export type FloorTenant = FloorView['tenants'][number]
export type FloorEngine = FloorView['engines'][number]

export const isAtWork = (tenant: FloorTenant) =>
  tenant.inFlight + tenant.waiting > 0 || tenant.serviceUnits > 0

/** Tenants at work first, then by weight; an order that moves little while people look at it. */
export function ordered(tenants: readonly FloorTenant[]): FloorTenant[] {
  if (tenants.length <= 8) return [...tenants]
  return [...tenants].sort(
    (a, b) =>
      Number(isAtWork(b)) - Number(isAtWork(a)) ||
      b.weight - a.weight ||
      a.name.localeCompare(b.name, 'en', { numeric: true }),
  )
}

export interface Share {
  /** Parts of everything served in the last minute, 0 to 1. */
  own: number
  borrowed: number
  /** What the tenant's weight entitles it to among those who want service; null while it wants none. */
  entitled: number | null
}

/** @param total service of all tenants in the last minute, units */
export function shareOf(tenant: FloorTenant, total: number): Share {
  if (total <= 0) return { own: 0, borrowed: 0, entitled: null }
  const borrowed = Math.min(tenant.borrowedUnits, tenant.serviceUnits)
  return {
    own: (tenant.serviceUnits - borrowed) / total,
    borrowed: borrowed / total,
    entitled: tenant.entitledUnits > 0 ? Math.min(1, tenant.entitledUnits / total) : null,
  }
}

export const totalService = (tenants: readonly FloorTenant[]) =>
  tenants.reduce((sum, { serviceUnits }) => sum + serviceUnits, 0)
