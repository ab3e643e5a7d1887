/** Embeddings from the loaded model, over a context of their own that exists once it is needed. */
import type { LlamaEmbeddingContext, LlamaModel, Token } from 'node-llama-cpp'

/** Longest input; it is computed in one go while all streams wait. */
const INPUT_TOKENS_MAX = 2048

export class Embedder {
  readonly #model: LlamaModel
  readonly #threads: number
  #context: Promise<LlamaEmbeddingContext> | undefined
  /** Tokens that one input may have. */
  readonly inputTokensMax: number

  constructor(model: LlamaModel, options: { contextTokens: number; threads: number }) {
    this.#model = model
    this.#threads = options.threads
    this.inputTokensMax = Math.min(INPUT_TOKENS_MAX, options.contextTokens)
  }

  /** The vector of an input, of length 1 as OpenAI's are. */
  async embed(tokens: Token[]): Promise<Float32Array> {
    // Two more than the input: the library may add a token at each end.
    const size = this.inputTokensMax + 2
    this.#context ??= this.#model.createEmbeddingContext({
      contextSize: size,
      batchSize: size,
      threads: this.#threads,
    })
    const { vector } = await (await this.#context).getEmbeddingFor(tokens)
    const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0))
    return Float32Array.from(vector, (value) => (length > 0 ? value / length : 0))
  }

  async close(): Promise<void> {
    await (await this.#context)?.dispose()
  }
}
