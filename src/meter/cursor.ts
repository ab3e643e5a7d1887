/** Cursors of lists: opaque to callers, a JSON array of texts inside. */
import { GristmillError } from '../base/index.ts'

export function encodeCursor(values: readonly string[]): string {
  return Buffer.from(JSON.stringify(values)).toString('base64url')
}

/**
 * @param count how many texts it must hold
 * @throws GristmillError `invalid_value` where it is not a cursor of that list
 */
export function decodeCursor(cursor: string, count: number): string[] {
  const values = parse(Buffer.from(cursor, 'base64url').toString())
  if (!Array.isArray(values) || values.length !== count || !values.every(isText)) throw badCursor()
  return values
}

export function badCursor(): GristmillError {
  const reason = 'it is not a cursor of this list'
  return new GristmillError('invalid_value', { param: 'cursor', reason })
}

const isText = (value: unknown): value is string =>
  typeof value === 'string' && !value.includes('\0')

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
