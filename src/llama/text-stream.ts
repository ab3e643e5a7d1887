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
  #stopped = false

  /**
   * @param before last tokens of the prompt
   * @param stops strings at which the text ends, themselves not part of it
   */
  constructor(detokenize: Detokenize, before: Token[], stops: readonly string[]) {
    this.#detokenize = detokenize
    this.#before = before.slice(-CONTEXT_TOKENS)
    this.#stops = stops.filter((stop) => stop !== '')
  }

  /** True once a stop string has been met; nothing more comes out. */
  get stopped(): boolean {
    return this.#stopped
  }

  /** Adds a token; returns the text that has become certain, often ''. */
  push(token: Token): string {
    if (this.#stopped) return ''
    this.#pending.push(token)
    const text = this.#detokenize(this.#pending, this.#before)
    if (text.endsWith(REPLACEMENT) && this.#pending.length < PENDING_TOKENS_MAX) return ''
    this.#before = [...this.#before, ...this.#pending].slice(-CONTEXT_TOKENS)
    this.#pending = []
    return this.#release(text)
  }

  /** The rest, at the end of the generation. */
  flush(): string {
    if (this.#stopped) return ''
    const text = this.#pending.length > 0 ? this.#detokenize(this.#pending, this.#before) : ''
    this.#pending = []
    const released = this.#release(text)
    const held = this.#held
    this.#held = ''
    return this.#stopped ? released : released + held
  }

  #release(text: string): string {
    if (this.#stops.length === 0) return text
    const whole = this.#held + text
    const cut = earliest(whole, this.#stops)
    if (cut !== undefined) {
      this.#stopped = true
      this.#held = ''
      return whole.slice(0, cut)
    }
    const hold = Math.max(...this.#stops.map((stop) => overlap(whole, stop)))
    this.#held = whole.slice(whole.length - hold)
    return whole.slice(0, whole.length - hold)
  }
}

function earliest(text: string, stops: readonly string[]): number | undefined {
  const found = stops.map((stop) => text.indexOf(stop)).filter((index) => index >= 0)
  return found.length > 0 ? Math.min(...found) : undefined
}

/** Length of the longest end of `text` that is a beginning of `stop`. */
function overlap(text: string, stop: string): number {
  for (let length = Math.min(text.length, stop.length - 1); length > 0; length--)
    if (text.endsWith(stop.slice(0, length))) return length
  return 0
}
