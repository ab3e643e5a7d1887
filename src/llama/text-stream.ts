/**
 * Turns tokens into text that can be sent: never half a character, and never a part of a stop
 * string before it is certain that the stop string does not follow.
 */
import type { Token } from 'node-llama-cpp'

/** Text of `tokens` as the continuation of `before`. */
export type Detokenize = (tokens: Token[], before: Token[]) => string

/** A character takes at most four bytes; more pending tokens than this are no character. */
const PENDING_TOKENS_MAX = 8
const CONTEXT_TOKENS = 4
const REPLACEMENT = '\uFFFD'

export class TextStream {
  readonly #detokenize: Detokenize
  readonly #stops: readonly string[]
  #before: Token[]
  #pending: Token[] = []
  #held = ''
  #length = 0
  #met: string | undefined

  /**
   * @param before last tokens of the prompt
   * @param stops strings at which the text ends, themselves not part of it
   */
  constructor(detokenize: Detokenize, before: Token[], stops: readonly string[]) {
    this.#detokenize = detokenize
    this.#before = before.slice(-CONTEXT_TOKENS)
    this.#stops = stops.filter((stop) => stop !== '')
  }

  /** The stop string that was met; nothing comes out after it. */
  get met(): string | undefined {
    return this.#met
  }

  /** Characters of all text so far, also of what is held back. */
  get length(): number {
    return this.#length
  }

  /** Adds a token; returns the text that has become certain, often ''. */
  push(token: Token): string {
    if (this.#met !== undefined) return ''
    this.#pending.push(token)
    const text = this.#detokenize(this.#pending, this.#before)
    if (text.endsWith(REPLACEMENT) && this.#pending.length < PENDING_TOKENS_MAX) return ''
    this.#before = [...this.#before, ...this.#pending].slice(-CONTEXT_TOKENS)
    this.#pending = []
    return this.#release(text)
  }

  /** The rest, at the end of the generation. */
  flush(): string {
    if (this.#met !== undefined) return ''
    const text = this.#pending.length > 0 ? this.#detokenize(this.#pending, this.#before) : ''
    this.#pending = []
    const released = this.#release(text)
    const held = this.#held
    this.#held = ''
    return this.#met === undefined ? released + held : released
  }

  #release(text: string): string {
    this.#length += text.length - (text.match(/[\ud800-\udbff]/g)?.length ?? 0)
    if (this.#stops.length === 0) return text
    const whole = this.#held + text
    const cut = earliest(whole, this.#stops)
    if (cut !== undefined) {
      this.#met = cut.stop
      this.#held = ''
      return whole.slice(0, cut.at)
    }
    const hold = Math.max(...this.#stops.map((stop) => overlap(whole, stop)))
    this.#held = whole.slice(whole.length - hold)
    return whole.slice(0, whole.length - hold)
  }
}

function earliest(text: string, stops: readonly string[]) {
  const found = stops.map((stop) => ({ stop, at: text.indexOf(stop) }))
  return found.filter(({ at }) => at >= 0).sort((a, b) => a.at - b.at)[0]
}

/** Length of the longest end of `text` that is a beginning of `stop`. */
function overlap(text: string, stop: string): number {
  for (let length = Math.min(text.length, stop.length - 1); length > 0; length--)
    if (text.endsWith(stop.slice(0, length))) return length
  return 0
}
