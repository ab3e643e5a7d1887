/**
 * A byte-level BPE vocabulary learned from a text, in the form that GGUF's `gpt2` tokenizer reads.
 * Source of the algorithm: Sennrich et al. 2016 (arXiv 1508.07909), bytes as in GPT-2.
 */
import { byteAlphabet } from './token-bytes.ts'

/** Splits as the `gpt-2` pre-tokenizer does, so that merges never cross these borders. */
const WORDS = /'(?:s|t|re|ve|m|ll|d)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu

export interface ToyVocabulary {
  /** Token texts by id: 256 bytes, then merged pairs, then the special tokens. */
  tokens: string[]
  /** Pairs in order of rank, separated by a space. */
  merges: string[]
  /** The text as token ids. */
  corpus: number[]
  /** First id of the special tokens. */
  firstSpecial: number
}

/**
 * Learns `mergeCount` merges from `text`.
 * @param specials token texts appended at the end
 */
export function learnVocabulary(
  text: string,
  mergeCount: number,
  specials: readonly string[],
): ToyVocabulary {
  const byteNames = byteAlphabet()
  let words = [...text.matchAll(WORDS)].map(([word]) =>
    [...Buffer.from(word)].map((byte) => byteNames[byte] ?? ''),
  )
  const tokens = [...byteNames]
  const merges: string[] = []
  while (merges.length < mergeCount) {
    const pair = commonestPair(words)
    if (!pair) break
    const [left, right] = pair
    merges.push(`${left} ${right}`)
    if (!tokens.includes(left + right)) tokens.push(left + right)
    words = words.map((word) => mergePair(word, left, right))
  }
  const ids = new Map(tokens.map((token, id) => [token, id]))
  const corpus = words.flat().map((token) => ids.get(token) ?? 0)
  return { tokens: [...tokens, ...specials], merges, corpus, firstSpecial: tokens.length }
}

function commonestPair(words: string[][]): [string, string] | undefined {
  const counts = new Map<string, number>()
  for (const word of words)
    for (let i = 1; i < word.length; i++) {
      const pair = `${word[i - 1]} ${word[i]}`
      counts.set(pair, (counts.get(pair) ?? 0) + 1)
    }
  let best: string | undefined
  let bestCount = 1
  for (const [pair, count] of counts)
    if (count > bestCount) {
      best = pair
      bestCount = count
    }
  return best?.split(' ') as [string, string] | undefined
}

function mergePair(word: string[], left: string, right: string): string[] {
  const merged: string[] = []
  for (let i = 0; i < word.length; i++) {
    if (word[i] === left && word[i + 1] === right) {
      merged.push(left + right)
      i++
    } else merged.push(word[i] ?? '')
  }
  return merged
}
