/** Usage over time as series for a chart: one for each tenant, gaps filled with nothing. */
import type { UsageRow } from '../api/contract.ts'
import { unitsOf } from '../requests/ends.ts'

export interface UsageSeries {
  /** Start of each step, seconds since the epoch. */
  times: number[]
  /** Hours that one step holds; 24 are a day in UTC. */
  stepHours: number
  /** One without a tenant is all of them together. */
  tenants: { tenantId: string | null; units: number[] }[]
}

const HOUR_S = 3600
const DAY_HOURS = 24
/** More bars than this cannot be told apart. */
const STEPS_MAX = 56

/** @param rows grouped by hour or by day, and by tenant or not */
export function seriesOf(rows: readonly UsageRow[], from: string, to: string): UsageSeries {
  const toS = Date.parse(to) / 1000
  const isByDay = rows.some(({ day }) => day !== null)
  const fromS = startOf(Date.parse(from) / 1000, isByDay ? DAY_HOURS : 1)
  const hours = Math.max(1, Math.ceil((toS - fromS) / HOUR_S))
  const stepHours = isByDay ? DAY_HOURS : hours <= STEPS_MAX ? 1 : 6
  const steps = Math.ceil(hours / stepHours)
  const times = Array.from({ length: steps }, (_, at) => fromS + at * stepHours * HOUR_S)
  const byTenant = new Map<string | null, number[]>()
  for (const row of rows) {
    const at = row.hour ?? row.day
    if (at === null) continue
    const step = Math.floor((Date.parse(at) / 1000 - fromS) / (stepHours * HOUR_S))
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

const startOf = (timeS: number, hours: number) =>
  Math.floor(timeS / (hours * HOUR_S)) * hours * HOUR_S
