/**
 * JSON of others that is written again: whole numbers beyond 2^53, such as the ids of many
 * services, keep their digits. A parsed one is an object that `JSON.stringify` writes as it was.
 */

interface RawNumber {
  readonly rawJSON: string
}

/** What TypeScript does not know of `JSON` yet. */
interface ExactJson {
  parse(
    text: string,
    revive: (name: string, value: unknown, context: { source?: string }) => unknown,
  ): unknown
  rawJSON(text: string): RawNumber
  isRawJSON(value: unknown): value is RawNumber
}

const exact = JSON as unknown as ExactJson
/** 2^53 has sixteen digits. */
const MANY_DIGITS = /\d{16}/
/** Every value is looked at once more, which would take too long for millions of them. */
const EXACT_LENGTH_MAX = 2 * 1024 * 1024

/** @throws SyntaxError as `JSON.parse` does */
export function parseExactly(text: string): unknown {
  if (text.length > EXACT_LENGTH_MAX || !MANY_DIGITS.test(text)) return JSON.parse(text)
  try {
    return exact.parse(text, (_, value, { source }) =>
      typeof value === 'number' && isInexact(value, source) ? exact.rawJSON(source) : value,
    )
  } catch (error) {
    // Nested too deeply to be looked at; what is wrong about that is said where it is written.
    if (error instanceof RangeError) return JSON.parse(text)
    throw error
  }
}

/** The digits of a number that was kept so; undefined of anything else. */
export function digitsOf(value: unknown): string | undefined {
  return exact.isRawJSON(value) ? value.rawJSON : undefined
}

const isInexact = (value: number, source: string | undefined): source is string =>
  Number.isInteger(value) && !Number.isSafeInteger(value) && /^-?\d+$/.test(source ?? '')
