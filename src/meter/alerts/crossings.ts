/** Which percentages of its limit a budget has passed. Pure. */
import type { BudgetStanding } from '../budgets/budget-types.ts'

/** @returns those that are reached, in rising order; what is set aside does not count as spent */
export function crossed(
  { budget: { limit }, spent }: Pick<BudgetStanding, 'budget' | 'spent'>,
  percents: readonly number[],
): number[] {
  const isReached = (percent: number) => spent * 100n >= limit * BigInt(percent)
  return percents.filter((percent) => spent > 0n && isReached(percent)).sort((a, b) => a - b)
}
