/** The words between the driver and what asks it to generate: a request, its progress, its end. */
import type { LlamaGrammarEvaluationState, Token } from 'node-llama-cpp'

/** How tokens are chosen; every value has been validated. */
export interface Sampling {
  temperature: number
  topP: number
  /** 0 considers the whole vocabulary. */
  topK: number
  minP: number
  presencePenalty: number
  frequencyPenalty: number
  /** 1 is neutral. */
  repeatPenalty: number
  /** Unsigned 32-bit. */
  seed: number
  /** Whether the client wants the same text again. */
  isSeeded: boolean
  /** Logit added per token id. */
  logitBias: ReadonlyMap<number, number>
  /** Before this many tokens were generated none that ends the generation is chosen. */
  tokensMin: number
  /** Alternatives to report per token; undefined reports no probabilities at all. */
  topLogprobs: number | undefined
  grammar: LlamaGrammarEvaluationState | undefined
}

/** Log probability of a token before temperature and truncation. */
export interface TokenLogprob {
  token: Token
  logprob: number
}

export interface SampledToken {
  token: Token
  /** Present when `Sampling.topLogprobs` was given. */
  logprob?: number
  top?: TokenLogprob[]
}

/** Counts of a request while it runs and after; the driver writes, everybody reads. */
export interface Progress {
  /** Read so far, or found read. */
  promptTokens: number
  cachedTokens: number
  completionTokens: number
  /** Time from taking a sequence to the first token, milliseconds. */
  prefillMs: number
  /** Time from the first token to the last, milliseconds. */
  decodeMs: number
}

export interface GenerationRequest {
  /** Smaller numbers have their prompt read first. */
  priority: number
  cacheSalt: string
  prompt: Token[]
  sampling: Sampling
  tokensMax: number
  /** End tokens are ignored altogether. */
  ignoreEnd: boolean
  signal: AbortSignal
  progress: Progress
  /** False for a further choice over a prompt whose reuse has been counted. */
  countsPrompt: boolean
  /** Called after the step that produced the token; returns false to end the generation there. */
  onToken(sampled: SampledToken): boolean
  /** True while the client does not keep up. */
  isPaused(): boolean
}

/** `end`: the model ended; `length`: `tokensMax` reached; `stopped`: `onToken` said so. */
export type GenerationEnd = 'end' | 'length' | 'stopped' | 'aborted'
