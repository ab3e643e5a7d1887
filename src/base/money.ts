/**
 * Money: a `bigint` of nanos, billionths of the configured currency, and decimals for people. The
 * only rounding is half to even; whatever is shared out adds up to the nano.
 */

const PLACES = 9
const UNIT = 10n ** BigInt(PLACES)

/** `0.15` → 150000000n; undefined for what is no amount, or has more than nine decimals. */
export function nanosOf(text: string): bigint | undefined {
  const [, whole = '', decimals = ''] = /^(\d{1,9})(?:\.(\d{1,9}))?$/.exec(text) ?? []
  if (whole === '') return undefined
  return BigInt(whole) * UNIT + BigInt(decimals.padEnd(PLACES, '0'))
}

/** The same with a sign: `-0.15` → -150000000n. */
export function signedNanosOf(text: string): bigint | undefined {
  const size = nanosOf(text.replace(/^-/, ''))
  return text.startsWith('-') && size !== undefined ? -size : size
}

/** 150000000n → `0.15`; no more decimals than it has. */
export function decimalOf(nanos: bigint): string {
  const size = nanos < 0n ? -nanos : nanos
  const digits = size.toString().padStart(PLACES + 1, '0')
  const point = digits.length - PLACES
  let end = digits.length
  while (end > point && digits[end - 1] === '0') end--
  const whole = digits.slice(0, point)
  const text = end === point ? whole : `${whole}.${digits.slice(point, end)}`
  return nanos < 0n ? `-${text}` : text
}

/** What `decimalOf` wrote, of any size and sign. */
export function nanosOfBooked(text: string): bigint {
  const [whole = '', decimals = ''] = text.split('.')
  return BigInt(whole + decimals.padEnd(PLACES, '0'))
}

/**
 * The nearest whole number, of two the even one.
 * @param value not negative
 * @param by above 0
 */
export function dividedHalfEven(value: bigint, by: bigint): bigint {
  const whole = value / by
  const twice = 2n * (value % by)
  if (twice < by || (twice === by && whole % 2n === 0n)) return whole
  return whole + 1n
}

/**
 * An amount shared out in proportion to weights by largest remainder (Hamilton's method): the parts
 * are whole and add up to it, and which order they come in makes no difference.
 * @param parts name → weight, not negative
 * @returns empty where all weights are 0
 */
export function sharedOut(amount: bigint, parts: ReadonlyMap<string, bigint>): Map<string, bigint> {
  const total = [...parts.values()].reduce((sum, weight) => sum + weight, 0n)
  if (total === 0n) return new Map()
  const shares = [...parts].map(([name, weight]) => {
    return { name, nanos: (amount * weight) / total, rest: (amount * weight) % total }
  })
  let left = shares.reduce((rest, { nanos }) => rest - nanos, amount)
  shares.sort((a, b) => (a.rest === b.rest ? (a.name < b.name ? -1 : 1) : a.rest > b.rest ? -1 : 1))
  return new Map(
    shares.map(({ name, nanos }) => {
      const more = left > 0n ? 1n : 0n
      left -= more
      return [name, nanos + more]
    }),
  )
}
