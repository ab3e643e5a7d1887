/** Usage by hour as series for a chart: one for each tenant, gaps filled with nothing. */
import type { UsageRow } from '../api/contract.ts'
import { unitsOf } from '../requests/ends.ts'

export interface UsageSeries {
  /** Start of each step, seconds since the epoch. */
  times: number[]
  /** Hours that one step holds. */
  stepHours: number
  tenants: { tenantId: string; units: number[] }[]
}

const HOUR_S = 3600
/** More bars than this cannot be told apart. */
const STEPS_MAX = 56

/** @param rows grouped by hour and tenant */
export function seriesOf(rows: readonly UsageRow[], from: string, to: string): UsageSeries {
  const fromS = Date.parse(from) / 1000
  const hours = Math.max(1, Math.round((Date.parse(to) / 1000 - fromS) / HOUR_S))
  const stepHours = hours <= STEPS_MAX ? 1 : hours <= STEPS_MAX * 6 ? 6 : 24
  const steps = Math.ceil(hours / stepHours)
  const times = Array.from({ length: steps }, (_, at) => fromS + at * stepHours * HOUR_S)
  const byTenant = new Map<string, number[]>()
  for (const row of rows) {
    if (row.hour === null || row.tenantId === null) continue
    const step = Math.floor((Date.parse(row.hour) / 1000 - fromS) / (stepHours * HOUR_S))
    const units = byTenant.get(row.tenantId) ?? new Array<number>(steps).fill(0)
    units[step] = (units[step] ?? 0) + unitsOf(row)
    byTenant.set(row.tenantId, units)
  }
  const sum = (units: readonly number[]) => units.reduce((total, value) => total + value, 0)
  const tenants = [...byTenant]
    .map(([tenantId, units]) => ({ tenantId, units }))
    .sort((a, b) => sum(b.units) - sum(a.units))
  return { times, stepHours, tenants }
}
