/** What the driver needs of a sequence. */
import type { Token } from 'node-llama-cpp'
import type { FillableSequence } from '../base/index.ts'
import type { SampledToken, Sampling } from './generation.ts'

/** So many tokens that nobody wants a sequence gathers until they are dropped. */
export const FILLED_TOKENS_MAX = 64

/** One sequence of the context; all calls but `commonPrefix` and `heldTokens` run alone on it. */
export interface Runner extends FillableSequence<readonly Token[]> {
  /** Drops all state but the first `keep` tokens; resolves to what is really kept. */
  keep(keep: number): Promise<number>
  /** Reads prompt tokens without generating. */
  read(tokens: Token[]): Promise<void>
  /** Reads the last prompt tokens and samples the first token. */
  start(tokens: Token[], sampling: Sampling): Promise<SampledToken>
  /** Samples one more token. */
  next(): Promise<SampledToken>
  /** Ends the generation; the state stays for reuse. */
  finish(): Promise<void>
  /** Whether its generation, if there is one, goes on the same elsewhere, and is moved quickly. */
  canMove(): boolean
  /**
   * Copies its state to an idle sequence of the same context, and goes on generating there.
   * @returns false where it could not, and goes on here
   */
  moveTo(target: Runner): Promise<boolean>
  /** Computes such a token; `keep` drops it, and `heldTokens` does not count it. */
  fill(): Promise<void>
  filledTokens(): number
}
