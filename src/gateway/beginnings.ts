/**
 * What a prompt begins with, so that the pool can send it to the engine, or the slot of one, that
 * has read as much of it before: a number for every 512 characters, each of which depends on all
 * before it.
 */
import type { Beginning } from '../pool/index.ts'
import type { CanonicalRequest } from './canonical.ts'
import { textOf } from './engine-words.ts'
import { jsonOf } from './json-text.ts'

const PIECE_CHARACTERS = 512
/** Some 8,000 tokens; what is longer goes by its first part. */
const PIECES_MAX = 64
const CHARACTERS_PER_TOKEN = 4

/**
 * Costs some nanoseconds a character; to be asked only where there is something to choose.
 * @param tenantId tenants share no prefixes, so equal prompts of two begin differently
 * @param sessionId what tells prompts apart that are longer than what is looked at
 */
export function beginningsOf(
  { endpoint, fields, estimatedInputTokens }: CanonicalRequest,
  tenantId: string,
  sessionId: string | null = null,
): Beginning[] {
  const cuts = new Cuts(tenantId)
  if (endpoint === '/v1/chat/completions') {
    if (fields.tools !== undefined) cuts.add(jsonOf(fields.tools))
    for (const message of fields.messages as Record<string, unknown>[]) {
      const { role, content } = message
      cuts.add(`\n${textOf(role)}\n`)
      cuts.add(typeof content === 'string' ? content : (jsonOf(content) ?? ''))
      if (message.tool_calls !== undefined) cuts.add(jsonOf(message.tool_calls))
      if (cuts.isFull) break
    }
  } else if (endpoint === '/v1/completions' && typeof fields.prompt === 'string') {
    cuts.add(fields.prompt)
  }
  const { found } = cuts
  // All sessions of an agent program begin with the same long instructions: what comes after them
  // is where the session was before.
  if (cuts.isFull && sessionId !== null) {
    const tokens = Math.max(estimatedInputTokens, found.at(-1)?.tokens ?? 0)
    found.push({ key: `${tenantId} ${sessionId}`, tokens })
  }
  return found
}

/** Two multiplicative hashes of 32 and 21 bits that run along: a number has room for so much. */
class Cuts {
  readonly found: Beginning[] = []
  #low = 0x811c9dc5 | 0
  #high = 0x1b873593 | 0
  #characters = 0

  constructor(tenantId: string) {
    this.#mix(tenantId, 0, tenantId.length)
  }

  get isFull(): boolean {
    return this.found.length >= PIECES_MAX
  }

  add(text: string): void {
    for (let at = 0; at < text.length && !this.isFull; ) {
      const left = PIECE_CHARACTERS - (this.#characters % PIECE_CHARACTERS)
      const end = Math.min(text.length, at + left)
      this.#mix(text, at, end)
      this.#characters += end - at
      at = end
      if (this.#characters % PIECE_CHARACTERS !== 0) continue
      const key = (this.#high & 0x1fffff) * 0x1_0000_0000 + (this.#low >>> 0)
      this.found.push({ key, tokens: this.#characters / CHARACTERS_PER_TOKEN })
    }
  }

  #mix(text: string, start: number, end: number): void {
    let low = this.#low
    let high = this.#high
    for (let at = start; at < end; at++) {
      const code = text.charCodeAt(at)
      low = Math.imul(low ^ code, 0x01000193)
      high = Math.imul(high ^ code ^ (low >>> 15), 0x5bd1e995)
    }
    this.#low = low ^ (high >>> 13)
    this.#high = high ^ (low >>> 16)
  }
}
