/** Embeddings from the loaded model, over a context of their own that exists once it is needed. */
import type { LlamaEmbeddingContext, LlamaModel, Token } from 'node-llama-cpp'

/** Longest input. */
const INPUT_TOKENS_MAX = 2048
/**
 * Tokens of an input that are computed in one go. Both contexts wait for the same thread of the
 * library, so running streams take their steps between two such pieces.
 */
const PIECE_TOKENS = 64
/** llama.cpp's number for "the last token speaks for all". */
const POOLING_NONE = 0

export interface EmbedderOptions {
  /** Of the model's sequences. */
  contextTokens: number
  threads: number
  /** Tokens computed in one go where the model allows pieces. */
  pieceTokens?: number
}

export class Embedder {
  readonly #model: LlamaModel
  readonly #options: EmbedderOptions
  #context: Promise<LlamaEmbeddingContext> | undefined
  /** Tokens that one input may have. */
  readonly inputTokensMax: number
  /**
   * False for models in which every token sees all others, or whose vectors are a mean over tokens:
   * their inputs are computed whole, and nothing else may run meanwhile.
   */
  readonly worksInPieces: boolean

  constructor(model: LlamaModel, options: EmbedderOptions) {
    this.#model = model
    this.#options = options
    this.inputTokensMax = Math.min(INPUT_TOKENS_MAX, options.contextTokens)
    const { attention, pooling_type: pooling } = model.fileInfo.architectureMetadata
    this.worksInPieces = attention?.causal !== false && (pooling ?? POOLING_NONE) === POOLING_NONE
  }

  /** The vector of an input, of length 1 as OpenAI's are. */
  async embed(tokens: Token[]): Promise<Float32Array> {
    const { threads, pieceTokens = PIECE_TOKENS } = this.#options
    // Two more than the input: the library may add a token at each end.
    const size = this.inputTokensMax + 2
    this.#context ??= this.#model.createEmbeddingContext({
      contextSize: size,
      batchSize: this.worksInPieces ? Math.min(pieceTokens, size) : size,
      threads,
    })
    const { vector } = await (await this.#context).getEmbeddingFor(tokens)
    const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0))
    return Float32Array.from(vector, (value) => (length > 0 ? value / length : 0))
  }

  async close(): Promise<void> {
    await (await this.#context)?.dispose()
  }
}
