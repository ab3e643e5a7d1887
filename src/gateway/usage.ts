/** Usage as engines report it on the OpenAI wire. */
import { parseExactly } from '../base/index.ts'
import type { TokenCounts } from '../meter/index.ts'
import { jsonOrNull } from './json-text.ts'

/** The counts of a `usage` object, or null where it is not one. */
export function usageCounts(usage: unknown): TokenCounts | null {
  if (typeof usage !== 'object' || usage === null) return null
  const fields = usage as Record<string, unknown>
  const inputTokens = tokenCount(fields.prompt_tokens)
  if (inputTokens === null) return null
  const details = fields.prompt_tokens_details as Details
  const counts: TokenCounts = {
    inputTokens,
    cachedTokens: Math.min(inputTokens, tokenCount(details?.cached_tokens) ?? 0),
    outputTokens: tokenCount(fields.completion_tokens) ?? 0,
  }
  const written = details?.cache_creation_tokens
  if (written !== undefined) counts.cacheWriteTokens = tokenCount(written) ?? 0
  const reasoning = (fields.completion_tokens_details as Details)?.reasoning_tokens
  if (reasoning !== undefined) counts.reasoningTokens = tokenCount(reasoning) ?? 0
  return counts
}

type Details = Record<string, unknown> | null | undefined

/** More than any request has. */
const COUNT_MAX = 2 ** 31 - 1

/** null for what no count can be. */
export function tokenCount(value: unknown): number | null {
  const isCount = Number.isInteger(value) && (value as number) >= 0
  return isCount && (value as number) <= COUNT_MAX ? (value as number) : null
}

const KEY = '"usage":'

/**
 * The usage of a whole answer. Answers are large and usage stands near their end, so only that
 * part is parsed; the key cannot occur inside a JSON string, where its quotes are escaped.
 */
export function usageOfAnswer(body: Buffer): TokenCounts | null {
  const at = body.lastIndexOf(KEY)
  if (at === -1) return null
  let depth = 0
  for (let i = at + KEY.length; i < body.length; i++) {
    if (body[i] === OPEN) depth++
    else if (body[i] === CLOSE && --depth === 0) {
      return usageCounts(parsedObject(body.toString('latin1', at + KEY.length, i + 1)))
    }
    if (depth === 0 && body[i] !== OPEN && body[i] !== SPACE) return null
  }
  return null
}

const OPEN = 0x7b
const CLOSE = 0x7d
const SPACE = 0x20

/** The object that a JSON text is, or null where it is none. */
export function parsedObject(
  text: string,
  parse: (text: string) => unknown = JSON.parse,
): Record<string, unknown> | null {
  try {
    const value = parse(text)
    return typeof value === 'object' ? (value as Record<string, unknown> | null) : null
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

/** The object that the arguments of a call are; null where they are none that could be told on. */
export function parsedInput(json: string): Record<string, unknown> | null {
  const value = parsedObject(json, parseExactly)
  return value === null || Array.isArray(value) || jsonOrNull(value) === null ? null : value
}
