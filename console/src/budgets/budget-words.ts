/** Budgets in words: amounts, whom they are for, and what would be refused next. Pure. */
import type { BudgetView } from '../api/contract.ts'
import { money, nanosOf } from '../parts/money.ts'
import { count, moment, rate } from '../units.ts'

/** @param text as the API writes amounts */
export function amountOf({ unit, currency }: BudgetView, text: string): string {
  if (unit === 'money') return money(nanosOf(text), currency ?? undefined)
  if (unit === 'tokens') return `${count(Number(text))}\u00a0tokens`
  return `${rate(Number(text))}\u00a0engine-seconds`
}

/** Parts of the limit, 0 to 1; together they may be more where it was lowered. */
export interface BudgetShares {
  spent: number
  reserved: number
}

export function sharesOf({ limit, spent, reserved }: BudgetView): BudgetShares {
  const most = Number(limit)
  const share = (text: string) => (most === 0 ? 1 : Number(text) / most)
  return { spent: share(spent), reserved: most === 0 ? 0 : share(reserved) }
}

export type BudgetState = 'empty' | 'tight' | 'open' | 'each'

const TIGHT = 0.8

/** `each`: of every end user, which no single bar can show. */
export function stateOf(budget: BudgetView): BudgetState {
  if (budget.endUser === '*') return 'each'
  const { spent } = sharesOf(budget)
  if (spent >= 1) return 'empty'
  return spent >= TIGHT ? 'tight' : 'open'
}

export const stateWords: Record<BudgetState, string> = {
  empty: 'used up',
  tight: 'above 80 %',
  open: 'has room',
  each: 'each end user',
}

export const periodWords: Record<BudgetView['period'], string> = {
  hour: 'every hour',
  day: 'every day',
  week: 'every week, from Monday',
  month: 'every month',
  total: 'once, for good',
}

export const renewalOf = ({ renewsAt }: BudgetView) =>
  renewsAt === null ? 'never renews' : `renews ${moment(renewsAt)}`

/** What is refused next, and why. */
export function nextRefusal(budget: BudgetView): string {
  const { isHard, clamps, endUser, left, reserved, renewsAt, limit } = budget
  if (!isHard) return 'Refuses nothing: it is soft and only told.'
  if (endUser === '*') {
    return `Refuses an end user’s request that may take more than is left of their ${amountOf(budget, limit)}.`
  }
  if (Number(left) === 0) {
    return renewsAt === null
      ? 'Refuses every request: it is used up and never renews (402 budget_used_up).'
      : `Refuses every request until it renews, ${moment(renewsAt)} (429 budget_exceeded).`
  }
  const bound = amountOf(budget, left)
  const instead = clamps
    ? `Makes answers shorter where a request may take more than ${bound}`
    : `Refuses a request that may take more than ${bound}`
  const waits =
    Number(reserved) === 0
      ? ''
      : `; one that needs some of the ${amountOf(budget, reserved)} set aside waits for it first`
  return `${instead}${waits}.`
}

/** What is unlike a budget's text in the API: `prj_…` and so on by name. */
export function scopeOf(
  { projectId, keyId, endUser }: BudgetView,
  names: { project: (id: string) => string; key: (id: string) => string },
): string {
  if (endUser === '*') return 'each end user'
  if (endUser !== null) return `end user ${endUser}`
  if (projectId !== null) return `project ${names.project(projectId)}`
  return keyId === null ? 'the whole tenant' : `key ${names.key(keyId)}`
}

function manyInWords(budgets: number): string {
  if (budgets === 1) return 'The budget'
  return budgets === 2 ? 'Both budgets' : `All ${budgets} budgets`
}

/** The state of all of them in a sentence. @param whose name of a budget's tenant */
export function budgetsInWords(
  budgets: readonly BudgetView[] | undefined,
  whose: (budget: BudgetView) => string,
): string {
  if (budgets === undefined) return 'Looking up the budgets.'
  if (budgets.length === 0) return 'No budget bounds what is spent.'
  const empty = budgets.filter((one) => stateOf(one) === 'empty')
  const shown = budgets.filter((one) => stateOf(one) !== 'each')
  const [tightest] = shown.toSorted((a, b) => sharesOf(b).spent - sharesOf(a).spent)
  const many = manyInWords(budgets.length)
  if (tightest === undefined)
    return `${many} ${budgets.length === 1 ? 'is' : 'are'} for each end user.`
  const of = `${whose(tightest)}’s ${tightest.name}`
  if (empty.length > 0) {
    const others = empty.length === 1 ? '' : `, and ${empty.length - 1} more`
    const does = tightest.isHard ? 'refuses every request' : 'is passed'
    return `${of} is used up and ${does}${others}; ${budgets.length - empty.length} of ${budgets.length} have room.`
  }
  const share = `${Math.floor(sharesOf(tightest).spent * 100)}\u00a0%`
  if (budgets.length === 1) return `${of} has room: ${share} of it is spent.`
  return `${many} have room; ${of} has the least, ${share} of it is spent.`
}
