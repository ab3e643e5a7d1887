/** A chargeback as the admin API tells it, and its lines as CSV. */
import { setImmediate } from 'node:timers/promises'
import { decimalOf } from '../base/index.ts'
import {
  byClass,
  type ChargeLine,
  type ClassShares,
  csvRecord,
  engineKey,
  type PeriodCosts,
  rentedKey,
} from '../meter/index.ts'
import type * as contract from './contract.ts'

const inSeconds = (us: bigint) => Number(us) / 1e6
const sumOf = (rows: readonly { nanos: bigint }[]) =>
  rows.reduce((sum, { nanos }) => sum + nanos, 0n)

/** Others have their turn after so many tenants: each has some dozen lines. */
const TENANTS_AT_ONCE = 25

/** @param reach only these tenants; null means all */
export async function chargebackView(
  costs: PeriodCosts,
  shares: ClassShares,
  names: ReadonlyMap<string, string>,
  reach: readonly string[] | null,
): Promise<contract.ChargebackView> {
  const { fromMs, toMs, rule, engines, lines } = costs
  const reached = new Set(reach)
  const isReached = (tenantId: string) => reach === null || reached.has(tenantId)
  const unallocated = lines.filter(({ tenantId }) => tenantId === null)
  const byTenant = rowsByTenant(costs)
  const tenants: contract.ChargedTenantView[] = []
  for (const tenantId of tenantsIn(costs).filter(isReached)) {
    tenants.push(tenantView(byTenant(tenantId), shares, tenantId))
    if (tenants.length % TENANTS_AT_ONCE === 0) await setImmediate()
  }
  return {
    fromAt: new Date(fromMs).toISOString(),
    toAt: new Date(toMs).toISOString(),
    rule,
    engines: engines.map(({ engineId, registeredUs, nanos, uncostedUs, unexplainedUs }) => ({
      engineId,
      name: names.get(engineId) ?? engineId,
      registeredS: inSeconds(registeredUs),
      uncostedS: inSeconds(uncostedUs),
      unexplainedS: inSeconds(unexplainedUs),
      cost: decimalOf(nanos),
    })),
    tenants,
    unallocated:
      reach === null
        ? {
            total: decimalOf(sumOf(unallocated)),
            lines: unallocated.map((line) => lineView(line, shares)),
          }
        : null,
    engineCost: decimalOf(sumOf(engines)),
    overflowCost: decimalOf(sumOf(costs.overflow.filter((row) => isReached(row.tenantId)))),
  }
}

function tenantsIn({ lines, overflow: rented, savings, lentUs }: PeriodCosts): string[] {
  const ids = [...lines, ...rented, ...savings].map(({ tenantId }) => tenantId)
  const known = new Set([...ids, ...lentUs.keys()].filter((id) => id !== null))
  return [...known].sort((a, b) => (a < b ? -1 : 1))
}

type TenantRows = Pick<PeriodCosts, 'lines' | 'overflow' | 'savings' | 'lentUs'>

/** What is of one tenant each, looked up once. */
function rowsByTenant({ lines, overflow, savings, lentUs }: PeriodCosts) {
  const of = <Row extends { tenantId: string | null }>(rows: Row[]) =>
    Map.groupBy(rows, ({ tenantId }) => tenantId)
  const [linesOf, overflowOf, savingsOf] = [of(lines), of(overflow), of(savings)]
  return (tenantId: string): TenantRows => ({
    lines: linesOf.get(tenantId) ?? [],
    overflow: overflowOf.get(tenantId) ?? [],
    savings: savingsOf.get(tenantId) ?? [],
    lentUs,
  })
}

function tenantView(
  { lines, overflow: rented, savings, lentUs }: TenantRows,
  shares: ClassShares,
  tenantId: string,
): contract.ChargedTenantView {
  const { cachedTokens = 0, hitTokens = 0 } = savings[0] ?? {}
  return {
    tenantId,
    total: decimalOf(sumOf(lines) + sumOf(rented)),
    lines: lines.map((line) => lineView(line, shares)),
    overflow: rented.map(({ target, model, requests, inputTokens, outputTokens, nanos }) => {
      const classes = byClass(nanos, shares.get(rentedKey(tenantId, target, model)))
      const counts = { requests, inputTokens, outputTokens }
      return { target, model, ...counts, amount: decimalOf(nanos), byClass: decimals(classes) }
    }),
    lentS: inSeconds(lentUs.get(tenantId) ?? 0n),
    cachedTokens,
    hitTokens,
  }
}

function lineView(
  { tenantId, engineId, kind, cause, engineUs, nanos }: ChargeLine,
  shares: ClassShares,
): contract.ChargeLineView {
  const isWork = tenantId !== null && kind !== 'shared'
  const classes = isWork ? decimals(byClass(nanos, shares.get(engineKey(tenantId, engineId)))) : {}
  const amounts = { engineS: inSeconds(engineUs), amount: decimalOf(nanos), byClass: classes }
  return { engineId, kind, cause, ...amounts }
}

const decimals = (nanos: ReadonlyMap<string, bigint>): contract.AmountsByClass =>
  Object.fromEntries(
    [...nanos].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, n]) => [name, decimalOf(n)]),
  )

const COLUMNS = [
  'from',
  'to',
  'rule',
  'tenantId',
  'tenant',
  'source',
  'what',
  'cause',
  'engineSeconds',
  'amount',
]

/** A row a line; what is unallocated has no tenant. Amounts add up to what everything cost. */
export function chargebackCsv(
  { fromAt, toAt, rule, engines, tenants, unallocated }: contract.ChargebackView,
  labels: ReadonlyMap<string, { name: string }>,
): string {
  const names = new Map(engines.map(({ engineId, name }) => [engineId, name]))
  const head = [fromAt, toAt, rule]
  const lineRows = (tenant: string[], lines: readonly contract.ChargeLineView[]) =>
    lines.map(({ engineId, kind, cause, engineS, amount }) => {
      return [...head, ...tenant, names.get(engineId) ?? engineId, kind, cause, engineS, amount]
    })
  const rows = tenants.flatMap(({ tenantId, lines, overflow }) => {
    const tenant = [tenantId, labels.get(tenantId)?.name ?? tenantId]
    const rented = overflow.map(({ target, model, amount }) => {
      return [...head, ...tenant, target, 'rented', model, '', amount]
    })
    return [...lineRows(tenant, lines), ...rented]
  })
  const kept = lineRows(['', 'unallocated'], unallocated?.lines ?? [])
  return [COLUMNS, ...rows, ...kept].map(csvRecord).join('')
}
