/** Numbers between two bounds as a grammar, digit by digit: pure. */
import { oneOf } from './grammar-rules.ts'

/** One end of a range; `isStrict` leaves the bound itself out. */
export interface Bound {
  value: number
  isStrict: boolean
}

/** Digits before and after the point; more of either and doubles round to a bound. */
const WHOLE_DIGITS_MAX = 15
const FRACTION_DIGITS_MAX = 10
const BEYOND = 10 ** WHOLE_DIGITS_MAX

/** A bound that is still to be kept: digits before and after the point, the fraction's trimmed. */
interface Edge {
  whole: string
  fraction: string
  isStrict: boolean
}
/** What of a bound the digits so far leave to be kept; undefined where it is kept for certain. */
type Rest = { digits: string; isStrict: boolean } | undefined

/**
 * Numbers from `low` to `high`; undefined is without bound. They are written without exponent.
 * @returns undefined where there is none, or none with so few digits
 */
export function numberRange(
  low: Bound | undefined,
  high: Bound | undefined,
  fractionDigits: number = FRACTION_DIGITS_MAX,
): string | undefined {
  const parts: string[] = []
  if (!high || high.value >= 0)
    parts.push(...naturals(low && low.value >= 0 ? low : undefined, high, fractionDigits))
  if (!low || low.value < 0) {
    const from = high && high.value < 0 ? mirrored(high) : { value: 0, isStrict: true }
    const rules = naturals(from, low && mirrored(low), fractionDigits)
    if (rules.length > 0) parts.push(`"-" ${oneOf(rules)}`)
  }
  return parts.length === 0 ? undefined : oneOf(parts)
}

/** Whole numbers; bounds between two of them have been moved to one. */
export const integerRange = (low: number | undefined, high: number | undefined) =>
  numberRange(inclusive(low), inclusive(high), 0)

const inclusive = (value: number | undefined) =>
  value === undefined ? undefined : { value, isStrict: false }

const mirrored = ({ value, isStrict }: Bound): Bound => ({ value: -value, isStrict })

/** True where a bound can be spelled in digits, or is beyond all that is written here. */
export const isSpelled = (value: number) =>
  Math.abs(value) >= BEYOND ||
  new RegExp(`^-?\\d+(\\.\\d{1,${FRACTION_DIGITS_MAX}})?$`).test(String(value))

function edgeOf({ value, isStrict }: Bound): Edge {
  if (value >= BEYOND) return { whole: '9'.repeat(WHOLE_DIGITS_MAX + 1), fraction: '', isStrict }
  const [whole = '0', fraction = ''] = String(Math.abs(value)).split('.')
  return { whole, fraction, isStrict }
}

/** Alternatives for the numbers from `low`, not below 0, to `high`, by how long they are. */
function naturals(low: Bound | undefined, high: Bound | undefined, fractionDigits: number) {
  const [from, to] = [low && edgeOf(low), high && edgeOf(high)]
  const rules: string[] = []
  const free: number[] = []
  for (let length = 1; length <= WHOLE_DIGITS_MAX; length++) {
    const [least, most] = [atLength(from, length, -1), atLength(to, length, 1)]
    if (least === null || most === null) continue
    if (!least && !most) free.push(length)
    else {
      const rule = wholePart(least, most, { left: length, isFirst: length > 1, fractionDigits })
      if (rule !== undefined) rules.push(rule)
    }
  }
  const [shortest] = free
  if (shortest === undefined) return rules
  const many = `[1-9] [0-9]{${shortest - 1},${(free.at(-1) ?? 0) - 1}}`
  const whole = shortest === 1 ? oneOf(['"0"', many]) : many
  return [...rules, joined(whole, fractionPart(undefined, undefined, fractionDigits))]
}

const joined = (first: string, second = '') => (second === '' ? first : `${first} ${second}`)

/** @param side in which direction numbers are beyond the edge; null where all of a length are */
function atLength(edge: Edge | undefined, length: number, side: -1 | 1): Rest | null {
  if (!edge) return undefined
  const { whole, fraction, isStrict } = edge
  const excess = Math.sign(length - whole.length)
  if (excess !== 0) return excess === side ? null : undefined
  const rest = { digits: whole + fraction, isStrict }
  return side === -1 ? orKept(rest) : rest
}

/** Nothing is below a lower bound whose digits are all 0. */
const orKept = (low: NonNullable<Rest>): Rest =>
  low.isStrict || !isZero(low.digits) ? low : undefined

interface Place {
  /** Digits left before the point. */
  left: number
  /** The first of several is not 0. */
  isFirst: boolean
  fractionDigits: number
}

function wholePart(low: Rest, high: Rest, place: Place): string | undefined {
  const { left, isFirst, fractionDigits } = place
  if (left === 0) return fractionPart(low, high, fractionDigits)
  if (!low && !high)
    return joined(`[0-9]{${left}}`, fractionPart(undefined, undefined, fractionDigits))
  const rules = eachDigit(low, high, isFirst ? 1 : 0, (from, to) =>
    wholePart(from, to, { left: left - 1, isFirst: false, fractionDigits }),
  )
  return rules.length === 0 ? undefined : oneOf(rules)
}

/** The point and what follows it; '' where there must be none. */
function fractionPart(low: Rest, high: Rest, digits: number): string | undefined {
  const rule = digits === 0 ? undefined : fractionDigitsOf(low, high, digits)
  if (!mayEnd(low, high)) return rule && `"." ${rule}`
  return rule === undefined ? '' : `("." ${rule})?`
}

/** At least one digit. */
function fractionDigitsOf(low: Rest, high: Rest, left: number): string | undefined {
  if (left === 0) return undefined
  if (!low && !high) return `[0-9]{1,${left}}`
  if (!low && high && !high.isStrict && isZero(high.digits)) return `"0"{1,${left}}`
  const rules = eachDigit(low, high, 0, (from, to) => {
    const more = fractionDigitsOf(from, to, left - 1)
    if (!mayEnd(from, to)) return more
    return more === undefined ? '' : `(${more})?`
  })
  return rules.length === 0 ? undefined : oneOf(rules)
}

const isZero = (digits: string) => /^0*$/.test(digits)

/** True where nothing but zeros may follow. */
const mayEnd = (low: Rest, high: Rest) =>
  (!low || (isZero(low.digits) && !low.isStrict)) &&
  (!high || !isZero(high.digits) || !high.isStrict)

/** Alternatives by the next digit; those after which alike things follow are one. */
function eachDigit(
  low: Rest,
  high: Rest,
  least: number,
  then: (low: Rest, high: Rest) => string | undefined,
): string[] {
  const first = Math.max(least, Number(low?.digits[0] ?? 0))
  const last = high ? Number(high.digits[0] ?? 0) : 9
  const groups = new Map<string, number[]>()
  for (let digit = first; digit <= last; digit++) {
    const from = afterDigit(low, digit)
    const after = then(from && orKept(from), afterDigit(high, digit))
    if (after !== undefined) groups.set(after, [...(groups.get(after) ?? []), digit])
  }
  return [...groups].map(([after, digits]) => joined(`[${digits.join('')}]`, after))
}

function afterDigit(rest: Rest, digit: number): Rest {
  if (!rest || Number(rest.digits[0] ?? 0) !== digit) return undefined
  return { digits: rest.digits.slice(1), isStrict: rest.isStrict }
}
