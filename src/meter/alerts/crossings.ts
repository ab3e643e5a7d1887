/** Which percentages of its limit a budget has passed. Pure. */
import type { BudgetStanding } from '../budgets/budget-types.ts'
import type { LastTopUp } from '../budgets/credit-rows.ts'

/** @returns those that are reached, in rising order; what is set aside does not count as spent */
export function crossed(
  { budget: { limit }, spent }: Pick<BudgetStanding, 'budget' | 'spent'>,
  percents: readonly number[],
): number[] {
  const isReached = (percent: number) => spent * 100n >= limit * BigInt(percent)
  return percents.filter((percent) => spent > 0n && isReached(percent)).sort((a, b) => a - b)
}

/**
 * Prepaid credit as a budget of what there was when it was last paid in, which begins then: of all
 * that ever was, the same part is spent once.
 */
export function sinceTopUp(standing: BudgetStanding, topUp: LastTopUp | undefined): BudgetStanding {
  if (topUp === undefined) return standing
  const { budget, spent } = standing
  const { atMs: startMs, limit, spentBefore } = topUp
  return { ...standing, startMs, budget: { ...budget, limit }, spent: spent - spentBefore }
}
