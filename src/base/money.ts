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
  const sharing = new Sharing(parts)
  const shares = sharing.shareOut(amount)
  return new Map(shares.map((share, at) => [sharing.names[at] as string, share]))
}

/** Up to these, amounts, totals of weights and remainders are exact as numbers. */
const AMOUNT_MAX = 2n ** 50n
const TOTAL_MAX = 2n ** 51n

/** Weights by which many amounts are shared out; `sharedOut` says how. */
export class Sharing {
  /** In their order, in which shares come as well. */
  readonly names: readonly string[]
  readonly #weights: readonly bigint[]
  readonly #numbers: Float64Array
  readonly #total: bigint

  /** @param parts name → weight, not negative */
  constructor(parts: ReadonlyMap<string, bigint>) {
    const sorted = [...parts].sort(([a], [b]) => (a < b ? -1 : 1))
    this.names = sorted.map(([name]) => name)
    this.#weights = sorted.map(([, weight]) => weight)
    this.#numbers = Float64Array.from(this.#weights, Number)
    this.#total = this.#weights.reduce((sum, weight) => sum + weight, 0n)
  }

  /** @returns a share for each name; none where all weights are 0 */
  shareOut(amount: bigint): bigint[] {
    if (this.#total === 0n) return []
    const isSmall = this.#total <= TOTAL_MAX && amount >= 0n && amount <= AMOUNT_MAX
    return isSmall ? this.#shareNumber(Number(amount)) : this.#shareBigint(amount)
  }

  #shareNumber(amount: number): bigint[] {
    const total = Number(this.#total)
    const shares = new Float64Array(this.#numbers.length)
    const rests = new Float64Array(shares.length)
    let left = amount
    for (let at = 0; at < shares.length; at++) {
      const weight = this.#numbers[at] as number
      let share = Math.floor((amount * weight) / total)
      let rest = differenceOfProducts(amount, weight, share, total)
      // The quotient was rounded.
      if (rest < 0) [share, rest] = [share - 1, rest + total]
      else if (rest >= total) [share, rest] = [share + 1, rest - total]
      shares[at] = share
      rests[at] = rest
      left -= share
    }
    return rounded(shares, rests, left)
  }

  #shareBigint(amount: bigint): bigint[] {
    const shares = this.#weights.map((weight) => (amount * weight) / this.#total)
    const rests = this.#weights.map((weight) => (amount * weight) % this.#total)
    let left = shares.reduce((rest, share) => rest - share, amount)
    const order = [...rests.keys()].sort((a, b) => {
      const [restA, restB] = [rests[a] as bigint, rests[b] as bigint]
      return restA === restB ? a - b : restA > restB ? -1 : 1
    })
    for (const at of order) {
      if (left <= 0n) break
      shares[at] = (shares[at] as bigint) + 1n
      left -= 1n
    }
    return shares
  }
}

/** One more for so many with the greatest rests; of equal ones for the first. */
function rounded(shares: Float64Array, rests: Float64Array, left: number): bigint[] {
  const least = rests.slice().sort()[rests.length - left] ?? Number.POSITIVE_INFINITY
  let ties = left
  for (const rest of rests) if (rest > least) ties--
  const whole = new Array<bigint>(shares.length)
  for (let at = 0; at < whole.length; at++) {
    const rest = rests[at] as number
    const isMore = rest > least || (rest === least && ties-- > 0)
    whole[at] = BigInt((shares[at] as number) + (isMore ? 1 : 0))
  }
  return whole
}

/** 2^27 + 1 takes a number apart into halves of 26 bits. */
const SPLITTER = 134_217_729

/**
 * `a × b − c × d`, exact where all are whole and what it comes to is below 2^53: each product is
 * taken with what its rounding left (Dekker, A floating-point technique for extending the available
 * precision, 1971).
 */
function differenceOfProducts(a: number, b: number, c: number, d: number): number {
  const [first, second] = [a * b, c * d]
  return first - second + (productError(a, b, first) - productError(c, d, second))
}

function productError(a: number, b: number, product: number): number {
  const aScaled = SPLITTER * a
  const aHigh = aScaled - (aScaled - a)
  const aLow = a - aHigh
  const bScaled = SPLITTER * b
  const bHigh = bScaled - (bScaled - b)
  const bLow = b - bHigh
  return aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow)
}
