/** What work did cost, and what it might have cost elsewhere, as the admin API tells it. Pure. */
import { decimalOf } from '../base/index.ts'
import {
  atListPrice,
  type CountedWork,
  type ListPrice,
  type PeriodCosts,
  type TokenFactor,
} from '../meter/index.ts'
import type { Dedicated } from '../pool/index.ts'
import type * as contract from './contract.ts'

export const LIST_CAVEAT =
  'No saving and no loss: whether the answers would have been as good was not compared, nor how ' +
  'long they would have been. List prices leave out discounts.'
export const ENGINES_CAVEAT =
  'No saving: this is a simulation of the same requests at the same promise, and neither the ' +
  'quality of answers nor the work of running more engines was compared.'

/** @param reach only what these tenants pay; null means all, with what nobody pays */
export function comparedCost(
  { engines, lines, overflow }: PeriodCosts,
  reach: readonly string[] | null,
  currency: string,
): contract.ComparedCostView {
  const isWanted = ({ tenantId }: { tenantId: string | null }) =>
    reach === null || (tenantId !== null && reach.includes(tenantId))
  const parts = reach === null ? engines : lines.filter(isWanted)
  const nanos = [...parts, ...overflow.filter(isWanted)].reduce((sum, one) => sum + one.nanos, 0n)
  const uncosted = engines.some(({ uncostedUs }) => uncostedUs >= 1_000_000n)
  const basis =
    'Engines by the hour, idle ones shared by use, and rented services' +
    (uncosted ? '; for some engine time no cost is set, which counts as nothing' : '')
  return { amount: decimalOf(nanos), currency, basis }
}

export function comparedService(
  price: ListPrice,
  work: CountedWork,
  factor: TokenFactor,
): contract.ComparedServiceView {
  const { provider, model, currency, asOf, ageDays, isOutdated, source, via = null } = price
  const { asCounted, low, high } = atListPrice(price, work, factor)
  return {
    ...{ provider, model, currency, asOf, ageDays, isOutdated, source, via },
    asCounted: decimalOf(asCounted),
    low: decimalOf(low),
    high: decimalOf(high),
  }
}

const HOUR_US = 3_600_000_000n

/** @returns nanos that an hour of an engine did cost; null where no cost is set */
export function meanEngineHour({ engines }: Pick<PeriodCosts, 'engines'>): bigint | null {
  const nanos = engines.reduce((sum, one) => sum + one.nanos, 0n)
  const us = engines.reduce((sum, one) => sum + one.registeredUs - one.uncostedUs, 0n)
  return us > 0n && nanos > 0n ? (nanos * HOUR_US) / us : null
}

/** What so many engines cost through a whole time, beside how many there would have to be. */
export function ownEngineAmounts({ engines, low, high }: Dedicated, spanMs: number, hour: bigint) {
  const amount = (count: number) =>
    decimalOf((BigInt(count) * hour * BigInt(spanMs) * 1000n) / HOUR_US)
  return {
    engines: { asItWas: engines, low, high },
    amount: { asItWas: amount(engines), low: amount(low), high: amount(high) },
  }
}
