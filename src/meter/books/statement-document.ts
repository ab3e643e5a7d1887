/** What stands on a statement, out of the costs and the use of a period. Pure. */
import { createHash } from 'node:crypto'
import { decimalOf, nanosOfBooked } from '../../base/index.ts'
import type { Discounts } from '../discounts/discount-types.ts'
import type { PeriodCosts } from './period.ts'
import type {
  AllocationHead,
  AnyDocument,
  CreditNoteDocument,
  CreditUse,
  StatementBasis,
  StatementDocument,
  UsageLine,
} from './statement-types.ts'

export interface StatementHead {
  number: number
  tenantId: string
  tenantName: string
  currency: string
  issuer: string | undefined
  basis: StatementBasis
}

/** @param usage of the tenant in the period */
export function statementOf(
  head: StatementHead,
  costs: PeriodCosts,
  usage: UsageLine[],
  { credit, discounts }: { credit?: CreditUse | undefined; discounts?: Discounts | undefined },
): StatementDocument {
  const { number, tenantId, tenantName, currency, issuer, basis } = head
  const { cachedTokens = 0, hitTokens = 0 } =
    costs.savings.find((saving) => saving.tenantId === tenantId) ?? {}
  const lines = tenantLines(costs, tenantId)
  return {
    kind: 'statement',
    number,
    tenantId,
    tenantName,
    ...(issuer !== undefined && { issuer }),
    fromAt: new Date(costs.fromMs).toISOString(),
    toAt: new Date(costs.toMs).toISOString(),
    currency,
    basis,
    total: totalOf({ basis, usage, discounts, ...lines }),
    ...lines,
    usage,
    ...(discounts !== undefined && { discounts }),
    lentS: seconds(costs.lentUs.get(tenantId) ?? 0n),
    cachedTokens,
    hitTokens,
    ...(credit !== undefined && { credit }),
    allocation: allocationOf(costs),
  }
}

/** The total that follows from the lines. */
export function totalOf({
  basis,
  costs,
  overflow,
  usage,
  discounts,
}: Pick<StatementDocument, 'basis' | 'costs' | 'overflow' | 'usage'> & {
  discounts?: Discounts | undefined
}): string {
  const amounts =
    basis === 'prices'
      ? [...usage.map(({ charge }) => charge), ...discountAmounts(discounts)]
      : [...costs, ...overflow].map(({ amount }) => amount)
  return decimalOf(amounts.reduce((sum, amount) => sum + nanosOfBooked(amount), 0n))
}

const discountAmounts = (discounts: Discounts | undefined) =>
  discounts?.lines.map(({ amount }) => amount) ?? []

/** Takes a whole statement back. */
export function creditNoteOf(
  statement: StatementDocument,
  number: number,
  reason: string,
): CreditNoteDocument {
  const { tenantId, tenantName, issuer, fromAt, toAt, currency, total } = statement
  return {
    kind: 'credit_note',
    number,
    tenantId,
    tenantName,
    ...(issuer !== undefined && { issuer }),
    fromAt,
    toAt,
    currency,
    corrects: statement.number,
    reason,
    total: decimalOf(-nanosOfBooked(total)),
  }
}

export function tenantLines(
  costs: PeriodCosts,
  tenantId: string,
): Pick<StatementDocument, 'costs' | 'overflow'> {
  const isOf = (row: { tenantId: string | null }) => row.tenantId === tenantId
  return {
    costs: costs.lines.filter(isOf).map(({ engineId, kind, cause, engineUs, nanos }) => {
      return { engineId, kind, cause, engineS: seconds(engineUs), amount: decimalOf(nanos) }
    }),
    overflow: costs.overflow.filter(isOf).map(({ target, model, nanos, ...counts }) => {
      const { requests, inputTokens, outputTokens } = counts
      return { target, model, requests, inputTokens, outputTokens, amount: decimalOf(nanos) }
    }),
  }
}

/** The same for all tenants of a period that are closed by the same rule. */
export function allocationOf({ rule, engines, lines, overflow }: PeriodCosts): AllocationHead {
  const sum = (rows: readonly { nanos: bigint }[]) =>
    decimalOf(rows.reduce((all, { nanos }) => all + nanos, 0n))
  const digest = createHash('sha256')
  for (const row of [...engines, ...lines, ...overflow]) {
    digest.update(
      JSON.stringify(row, (_, value: unknown) =>
        typeof value === 'bigint' ? String(value) : value,
      ),
    )
  }
  return {
    rule,
    engineCost: sum(engines),
    overflowCost: sum(overflow),
    unallocated: sum(lines.filter(({ tenantId }) => tenantId === null)),
    digest: digest.digest('hex'),
  }
}

/** The bytes that are hashed: fields in the order in which documents are made. */
export const textOf = (document: AnyDocument): string => JSON.stringify(document)

const seconds = (us: bigint) => decimalOf(us * 1000n)
