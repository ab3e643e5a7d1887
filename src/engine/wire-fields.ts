/** Parts of JSON bodies, read without believing in their shape. */

export type Fields = Record<string, unknown>

export const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null ? (value as Fields) : {}

export const listOf = (value: unknown): unknown[] =>
  Array.isArray(value) ? (value as unknown[]) : []

export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

/** A count of tokens; 0 where it is none. */
export const countOf = (value: unknown): number =>
  Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : 0
