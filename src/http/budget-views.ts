/** Budgets as the API tells them. */
import { type BudgetStanding, leftOf, limitAsWritten } from '../meter/index.ts'
import type { BudgetView } from './contract.ts'

/** @param currency what money is in */
export function budgetView(standing: BudgetStanding, currency: string): BudgetView {
  const { budget, startMs, endMs, spent, leased } = standing
  const { id, name, tenantId, projectId, keyId, endUser, unit, limit } = budget
  const { period, isHard, clamps, isPrepaid } = budget
  const written = (amount: bigint) => limitAsWritten(unit, amount)
  return {
    ...{ id, name, tenantId, projectId, keyId, endUser, unit, period, isHard, clamps, isPrepaid },
    currency: unit === 'money' ? currency : null,
    limit: written(limit),
    spent: written(spent),
    reserved: written(leased),
    left: written(leftOf({ limit, spent })),
    startsAt: new Date(startMs).toISOString(),
    renewsAt: endMs === Number.POSITIVE_INFINITY ? null : new Date(endMs).toISOString(),
  }
}
