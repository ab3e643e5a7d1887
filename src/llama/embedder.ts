/** Embeddings from the loaded model, over a context of their own that exists once it is needed. */

import type { LlamaEmbeddingContext, LlamaModel, Token } from 'node-llama-cpp'
import type { Clock } from '../base/index.ts'

/** Longest input. */
const INPUT_TOKENS_MAX = 2048
/** What the library may add to an input: a token at each end. */
const END_TOKENS = 2
/**
 * Tokens of an input that are computed in one go. Both contexts wait for the same thread of the
 * library, so running streams take their steps between two such pieces.
 */
const PIECE_TOKENS = 64
/** llama.cpp's number for "the last token speaks for all". */
const POOLING_NONE = 0

/** What a model does that reads one input after another and writes nothing. */
export interface ReadingRate {
  /** Tokens read, each worth one unit. */
  capacityUnitsPerS: number
  /** Inputs at once. */
  knee: 1
}

const RATE_MS = 400

export interface EmbedderOptions {
  /** Of the model's sequences. */
  contextTokens: number
  threads: number
  /** Tokens computed in one go where the model allows pieces. */
  pieceTokens?: number
}

export class Embedder {
  /** Requests whose inputs are being embedded, or wait for those of others. */
  requests = 0
  readonly #model: LlamaModel
  readonly #options: EmbedderOptions
  #context: Promise<LlamaEmbeddingContext> | undefined
  /** True where the model was taught on texts between two tokens of their own. */
  readonly #marksEnds: boolean
  /** Tokens that one input may have, with those that `withEnds` adds. */
  readonly inputTokensMax: number
  /**
   * False for models in which every token sees all others, or whose vectors are a mean over tokens:
   * their inputs are computed whole, and nothing else may run meanwhile.
   */
  readonly worksInPieces: boolean

  constructor(model: LlamaModel, options: EmbedderOptions) {
    this.#model = model
    this.#options = options
    const { attention, pooling_type: pooling } = model.fileInfo.architectureMetadata
    this.#marksEnds = attention?.causal === false
    this.inputTokensMax = Math.min(INPUT_TOKENS_MAX, options.contextTokens)
    this.worksInPieces = attention?.causal !== false && (pooling ?? POOLING_NONE) === POOLING_NONE
  }

  /** An input as the model was taught to read it. */
  withEnds(tokens: readonly Token[]): Token[] {
    const { bos, sep } = this.#model.tokens
    if (!this.#marksEnds || bos === null || sep === null) return [...tokens]
    const begun = tokens[0] === bos ? tokens : [bos, ...tokens]
    return begun.at(-1) === sep ? [...begun] : [...begun, sep]
  }

  /** The vector of an input, of length 1 as OpenAI's are. */
  async embed(tokens: Token[]): Promise<Float32Array> {
    this.#context ??= this.#newContext()
    const { vector } = await (await this.#context).getEmbeddingFor(tokens)
    const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0))
    return Float32Array.from(vector, (value) => (length > 0 ? value / length : 0))
  }

  /** How fast it reads inputs of some length; the first of them also loads the weights. */
  async rate(clock: Clock): Promise<ReadingRate> {
    const text = 'So fast as this it reads. '.repeat(16)
    const words = this.#model.tokenize(text).slice(0, this.inputTokensMax - END_TOKENS)
    const input = this.withEnds(words)
    await this.embed([...input])
    const startMs = clock.monotonicMs()
    let tokens = 0
    let spentMs = 0
    for (; spentMs < RATE_MS; spentMs = clock.monotonicMs() - startMs) {
      await this.embed([...input])
      tokens += input.length
    }
    return { capacityUnitsPerS: (1000 * tokens) / spentMs, knee: 1 }
  }

  #newContext(): Promise<LlamaEmbeddingContext> {
    const { threads, pieceTokens = PIECE_TOKENS } = this.#options
    const size = this.inputTokensMax + END_TOKENS + 1
    const context = this.#model.createEmbeddingContext({
      contextSize: size,
      batchSize: this.worksInPieces ? Math.min(pieceTokens, size) : size,
      // Unless it must be so many the library shares cores between contexts and leaves this one a
      // core, though none computes beside another. Its type does not name what it takes.
      threads: { ideal: threads, min: threads } as unknown as number,
    })
    // There may be memory for it when it is asked for again.
    context.catch(() => {
      this.#context = undefined
    })
    return context
  }

  async close(): Promise<void> {
    await (await this.#context)?.dispose()
  }
}
