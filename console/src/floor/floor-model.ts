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

/** Requests that wait, of tenants within reach and of all others, which come as one row. */
export function waitingOf(tenants: readonly FloorTenant[]): { own: number; others: number } {
  const sum = (rows: readonly FloorTenant[]) => rows.reduce((all, { waiting }) => all + waiting, 0)
  return {
    own: sum(tenants.filter(({ hue }) => hue >= 0)),
    others: sum(tenants.filter(({ hue }) => hue < 0)),
  }
}

export interface Share {
  /** Parts of everything served in the last minute, 0 to 1; borrowed is what exceeds the due. */
  own: number
  borrowed: number
  /** What the tenant's weight entitles it to among those who want service; null while it wants none. */
  entitled: number | null
}

export interface Totals {
  service: number
  entitled: number
}

export function totalsOf(tenants: readonly FloorTenant[]): Totals {
  return {
    service: tenants.reduce((sum, { serviceUnits }) => sum + serviceUnits, 0),
    entitled: tenants.reduce((sum, { entitledUnits }) => sum + entitledUnits, 0),
  }
}

/**
 * Service and entitlement as parts of their own sums: what was served may be less than the
 * capacity that entitlements divide, and then only the parts can be compared.
 */
export function shareOf(tenant: FloorTenant, totals: Totals): Share {
  if (totals.service <= 0) return { own: 0, borrowed: 0, entitled: null }
  const got = tenant.serviceUnits / totals.service
  const entitled = tenant.entitledUnits > 0 ? tenant.entitledUnits / totals.entitled : null
  const borrowed = Math.max(0, got - (entitled ?? 0))
  return { own: got - borrowed, borrowed, entitled }
}
