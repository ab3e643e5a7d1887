/**
 * What is granted of a month. Pure. What a period is granted is what its month is until the end of
 * the period, less what it was until the beginning: in whatever parts a month is closed, these add
 * up to what all of it is granted, to the nano.
 */
import { decimalOf, dividedHalfEven } from '../../base/index.ts'
import type {
  DiscountLine,
  DiscountTerms,
  DiscountTier,
  FreeAllowance,
  Granted,
  HourUse,
} from './discount-types.ts'

const MILLION = 1_000_000n

/** @param hours of the month until a moment, in their order */
export function grantedOf(
  { free, tiers }: Pick<DiscountTerms, 'free' | 'tiers'>,
  hours: readonly HourUse[],
): Granted {
  const charge = hours.reduce((sum, { nanos }) => sum + nanos, 0n)
  const freeNanos = free === null ? 0n : freeOf(free, charge, hours)
  return { charge, free: freeNanos, discount: discountOf(tiers, charge - freeNanos) }
}

/** Tokens are free in the order of hours; those of the hour that uses them up in proportion. */
function freeOf(
  { unit, amount }: FreeAllowance,
  charge: bigint,
  hours: readonly HourUse[],
): bigint {
  if (unit === 'money') return charge < amount ? charge : amount
  let left = amount
  let nanos = 0n
  for (const hour of hours) {
    if (hour.tokens > left) return nanos + dividedHalfEven(hour.nanos * left, hour.tokens)
    nanos += hour.nanos
    left -= hour.tokens
  }
  return nanos
}

/** Each tier of what lies within it; rounded once. */
function discountOf(tiers: readonly DiscountTier[], nanos: bigint): bigint {
  let exact = 0n
  for (const [at, { aboveNanos, millionths }] of tiers.entries()) {
    const until = tiers[at + 1]?.aboveNanos ?? nanos
    const end = until < nanos ? until : nanos
    if (end > aboveNanos) exact += (end - aboveNanos) * millionths
  }
  return dividedHalfEven(exact, MILLION)
}

/** The lines of a part of a month; none where nothing is granted. */
export function linesOf(
  terms: Pick<DiscountTerms, 'version' | 'free' | 'tiers'>,
  month: string,
  before: Granted,
  until: Granted,
): DiscountLine[] {
  const line = (
    kind: DiscountLine['kind'],
    method: string,
    basis: bigint,
    [had, has]: [bigint, bigint],
  ): DiscountLine[] => {
    if (had === has) return []
    const amounts = {
      granted: decimalOf(has),
      before: decimalOf(had),
      amount: decimalOf(had - has),
    }
    return [{ kind, terms: terms.version, month, method, basis: decimalOf(basis), ...amounts }]
  }
  const net = until.charge - until.free
  return [
    ...line('allowance', freeInWords(terms.free), until.charge, [before.free, until.free]),
    ...line('discount', tiersInWords(terms.tiers), net, [before.discount, until.discount]),
  ]
}

const freeInWords = (free: FreeAllowance | null) =>
  free?.unit === 'tokens'
    ? `the first ${free.amount} tokens of a month`
    : `the first ${decimalOf(free?.amount ?? 0n)} of a month`

const tiersInWords = (tiers: readonly DiscountTier[]) =>
  tiers
    .map(({ aboveNanos, millionths }) => {
      return `${decimalOf(millionths * 100_000n)} % above ${decimalOf(aboveNanos)}`
    })
    .join(', ')
