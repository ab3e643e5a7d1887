/** Reading what engines answer, which may be anything. */
import { parseExactly } from '../base/index.ts'

/** An engine's answer as JSON; undefined where it is none. */
export function parsedJson(text: string): unknown {
  try {
    return parseExactly(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
