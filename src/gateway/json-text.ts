/** JSON of what came from outside, which may be nested deeper than JavaScript can write. */
import { GristmillError } from '../base/index.ts'

/** @throws GristmillError `invalid_json` where a client's value is nested too deeply */
export function jsonOf(value: unknown): string {
  const text = jsonOrNull(value)
  if (text !== null) return text
  throw new GristmillError('invalid_json', { reason: 'it is nested too deeply' })
}

/** The same; null where it is nested too deeply. */
export function jsonOrNull(value: unknown): string | null {
  try {
    return JSON.stringify(value)
  } catch (error) {
    // The stack is all that can be wrong with what was parsed from JSON.
    if (error instanceof RangeError) return null
    throw error
  }
}
