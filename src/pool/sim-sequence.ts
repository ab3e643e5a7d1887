/** A sequence of our own engine, as its model sees it: what it holds of the last request on it. */
import type { FillableSequence } from '../base/index.ts'
import type { PrefixPart } from './sim-trace.ts'
import type { SimTicket } from './sim-types.ts'

/** What the pool of sequences asks about: a prompt's beginning and its length. */
export interface SimPrompt {
  length: number
  prefix: readonly PrefixPart[]
}

export class SimSequence implements FillableSequence<SimPrompt> {
  #prefix: readonly PrefixPart[] = []
  #tokens = 0

  /** The pool asks only about prompts of the tenant whose it was last. */
  commonPrefix({ prefix }: SimPrompt): number {
    let tokens = 0
    for (const [i, part] of prefix.entries()) {
      const own = this.#prefix[i]
      if (own?.id !== part.id) break
      tokens += Math.min(own.tokens, part.tokens)
      if (own.tokens !== part.tokens) break
    }
    return Math.min(tokens, this.#tokens)
  }

  heldTokens(): number {
    return this.#tokens
  }

  canFill(heldMax: number): boolean {
    return this.#tokens <= heldMax
  }

  /** Keeps what a request has left there. */
  keep(ticket: SimTicket): void {
    this.#prefix = ticket.request.prefix
    this.#tokens = tokensOn(ticket)
  }
}

/** Tokens that the sequence of a request holds. */
export const tokensOn = ({ request, unread, generated }: SimTicket) =>
  Math.max(0, request.inputTokens - unread) + generated
