/** A chargeback added up: by what for, by cause, and whether it comes to what everything cost. */
import type { ChargebackView, ChargedTenantView, ChargeLineView } from '../api/contract.ts'
import { type Flow, NOBODY } from '../parts/flow-layout.ts'
import { nanosOf, sumOf } from '../parts/money.ts'

export interface CostSums {
  /** Engines and rented services. */
  cost: bigint
  tenants: bigint
  unallocated: bigint
  /** Work: within shares, above them, and by rented services. */
  worked: bigint
  /** For answers that nobody got, whoever pays. */
  wasted: bigint
  /** Engines that nobody used, or that could not be used, whoever pays. */
  idle: bigint
}

/** Causes of what was nobody's that are waste: work was done, and for nothing. */
const wasteCauses = new Set(['client_gone', 'engine_failed', 'timeout', 'shutdown', 'preempted'])

/** Whether a line is work for nothing; the other lines of its kind are of idle engines. */
export const isWaste = ({ kind, cause }: Pick<ChargeLineView, 'kind' | 'cause'>) =>
  kind === 'wasted' || wasteCauses.has(cause)

export function sumsOf(view: ChargebackView): CostSums {
  const own = view.tenants.flatMap(({ lines }) => lines)
  const lines = [...own, ...(view.unallocated?.lines ?? [])]
  const rented = view.tenants.flatMap(({ overflow }) => overflow)
  const total = (rows: readonly { amount: string }[]) => sumOf(rows.map(({ amount }) => amount))
  const wasted = total(lines.filter(isWaste))
  return {
    cost: nanosOf(view.engineCost) + nanosOf(view.overflowCost),
    tenants: sumOf(view.tenants.map((tenant) => tenant.total)),
    unallocated: nanosOf(view.unallocated?.total ?? '0'),
    worked:
      total(lines.filter(({ kind }) => kind === 'entitled' || kind === 'borrowed')) + total(rented),
    wasted,
    idle:
      total(lines.filter(({ kind }) => kind === 'shared')) -
      total(lines.filter((line) => line.kind === 'shared' && isWaste(line))),
  }
}

/** A tenant's amounts by what they are for. */
export function partsOf({ lines, overflow }: ChargedTenantView) {
  const total = (rows: readonly { amount: string }[]) => sumOf(rows.map(({ amount }) => amount))
  const of = (kind: ChargeLineView['kind']) => total(lines.filter((line) => line.kind === kind))
  return {
    entitled: of('entitled'),
    borrowed: of('borrowed'),
    wasted: of('wasted'),
    shared: of('shared'),
    overflow: total(overflow),
  }
}

/** Amounts by cause, the largest first. */
export function byCause(lines: readonly ChargeLineView[]): [string, bigint][] {
  const sums = new Map<string, bigint>()
  for (const { cause, amount } of lines) sums.set(cause, (sums.get(cause) ?? 0n) + nanosOf(amount))
  return [...sums].sort(([, a], [, b]) => (a < b ? 1 : -1))
}

/** Engine or rented service → class → who pays → what for; nanos. */
export function costFlows({ tenants, unallocated }: ChargebackView): Flow[] {
  const flows: Flow[] = []
  const add = (ids: string[], amount: string, isBad: boolean) => {
    const nanos = Number(nanosOf(amount))
    if (nanos > 0)
      flows.push({ ids, owner: ids[2] ?? NOBODY, amount: nanos, marked: isBad ? nanos : 0 })
  }
  const addLine = (payer: string, line: ChargeLineView) => {
    const { engineId, kind, cause, byClass, amount } = line
    const end = cause === '' ? kind : `${isWaste(line) ? 'wasted' : 'idle'} ${cause}`
    const classes = Object.entries(byClass)
    if (classes.length === 0) add([engineId, NOBODY, payer, end], amount, isWaste(line))
    for (const [name, part] of classes) add([engineId, name, payer, end], part, isWaste(line))
  }
  for (const { tenantId, lines, overflow } of tenants) {
    for (const line of lines) addLine(tenantId, line)
    for (const { target, byClass } of overflow) {
      for (const [name, part] of Object.entries(byClass)) {
        add([`rented ${target}`, name, tenantId, 'rented'], part, false)
      }
    }
  }
  for (const line of unallocated?.lines ?? []) addLine(NOBODY, line)
  return flows
}
