/** Terms of discounts as pages and forms read them. */
import type { DiscountTermsView } from '../api/contract.ts'
import { money, nanosOf } from '../parts/money.ts'
import { count } from '../units.ts'

export const DISCOUNTS_PATH = '/api/discounts'

export interface StatedTerms extends DiscountTermsView {
  state: 'holds' | 'coming' | 'past'
}

const scopeOf = ({ tenantId, plan }: DiscountTermsView) => tenantId ?? `plan ${plan}`
/** `isEnd`: from then on there is nothing, or what the plan has. */
export const isEnd = ({ free, tiers }: DiscountTermsView) => free === null && tiers.length === 0

/**
 * Which hold in a month: of each tenant or plan the newest version of the latest month.
 * @param month such as `2026-12`
 */
export function statedTerms(rows: readonly DiscountTermsView[], month: string): StatedTerms[] {
  const newer = (a: DiscountTermsView, b: DiscountTermsView) =>
    a.from > b.from || (a.from === b.from && a.version > b.version)
  const stateOf = (one: DiscountTermsView): StatedTerms['state'] => {
    const others = rows.filter((other) => scopeOf(other) === scopeOf(one))
    // Those to come are past only where another of the same month takes their place.
    const isComing = one.from > month
    const rivals = others.filter(({ from }) => (isComing ? from === one.from : from <= month))
    if (rivals.some((other) => newer(other, one))) return 'past'
    return isComing ? 'coming' : 'holds'
  }
  return rows.map((one) => ({ ...one, state: stateOf(one) }))
}

/** `2026-12` as of a moment, or so many months after; UTC. */
export function monthAt(nowMs: number, after = 0): string {
  const date = new Date(nowMs)
  const at = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + after)
  return new Date(at).toISOString().slice(0, 7)
}

/** `first 5.00 USD free, 5 % off above 100.00 USD` */
export function termsInWords(terms: DiscountTermsView, currency: string): string {
  const { free, tiers } = terms
  if (isEnd(terms)) return terms.plan === null ? 'as its price plan' : 'none'
  const amount = (text: string) => money(nanosOf(text), currency)
  const tokens = (text: string) => `${count(Number(text))} tokens`
  const first = free && (free.unit === 'tokens' ? tokens(free.amount) : amount(free.amount))
  const rest = tiers.map(({ above, percent }) => `${percent}\u00a0% off above ${amount(above)}`)
  return [...(first === null ? [] : [`first ${first} free`]), ...rest].join(', ')
}
