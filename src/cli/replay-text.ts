/** Prompts that stand in for those of a trace: about as long, beginning alike where they did. */
import type { TraceRow } from '../pool/index.ts'

/** Short common words; most tokenisers give each a token of its own. */
const WORDS = (
  'the mill turns and grain goes in then flour comes out by the river where people wait for bread ' +
  'all day long with one stone that they share as water falls on wood so fast and slow again'
).split(' ')

/** Room that a chat template and its roles take, tokens. */
const FRAME_TOKENS = 8

/**
 * @param row what was asked; parts of its prefix with the same id give the same words
 * @param serial makes what follows the prefix different from all others
 */
export function promptFor(row: TraceRow, serial: number): string {
  const parts: string[] = []
  let left = Math.max(1, row.inputTokens - FRAME_TOKENS)
  for (const { id, tokens } of row.prefix) {
    const count = Math.min(tokens, left)
    parts.push(wordsFrom(hash(`${row.tenant}/${id}`), count))
    left -= count
  }
  if (left > 0) parts.push(wordsFrom(hash(`${serial}`), left))
  return parts.join(' ')
}

/** Words in an order that the start determines. */
function wordsFrom(start: number, count: number): string {
  let state = start
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return WORDS[(state >>> 16) % WORDS.length]
  }).join(' ')
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (const character of text) {
    value = Math.imul(value ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0
  }
  return value
}
