/** One sequence of node-llama-cpp behind the driver's `Runner`. */
import type {
  ControlledEvaluateInputItem,
  EvaluationPriority,
  LlamaContextSequence,
  SequenceEvaluateOptions,
  Token,
} from 'node-llama-cpp'
import { TokenBias } from 'node-llama-cpp'
import { MOVED_TOKENS_MAX } from '../base/index.ts'
import type { SampledToken, Sampling } from './generation.ts'
import { FILLED_TOKENS_MAX, type Runner } from './runner.ts'
import type { StateFile } from './state-file.ts'
import { TopSampler } from './top-sampler.ts'

/** Penalties look at this many generated tokens. */
const PENALTY_WINDOW = 1024
/** Largest logits fetched per token where probabilities are asked for; more than `topLogprobs`. */
const LOGITS_MAX = 256
/** Number of seeds; the one beyond means "random" to llama.cpp. */
const SEEDS = 0xffff_ffff

export interface RunnerOptions {
  endTokens: ReadonlySet<Token>
  onSampler(): void
  stateFile?: StateFile | undefined
}

export class LlamaRunner implements Runner {
  readonly #sequence: LlamaContextSequence
  /** Its position, which orders the batch. */
  readonly #order: { evaluationPriority: EvaluationPriority }
  readonly #endTokens: ReadonlySet<Token>
  readonly #onSampler: () => void
  readonly #stateFile: StateFile | undefined
  #iterator: AsyncGenerator<{ token: Token }, void, void> | undefined
  #top: { sampler: TopSampler; sampling: Sampling; last: Token | undefined } | undefined
  #generated: Token[] = []
  #sampling: Sampling | undefined
  /** Generates tokens that nobody wants. */
  #filler: { iterator: AsyncGenerator<unknown, void, void>; held: number } | undefined

  /**
   * @param index its position among the sequences
   * @param options `onSampler` is called for every sampler that the library makes; each holds
   * memory until collected. Moves go through `stateFile`, where there is one
   */
  constructor(sequence: LlamaContextSequence, index: number, options: RunnerOptions) {
    this.#sequence = sequence
    // The library takes any number, though its type names five.
    this.#order = { evaluationPriority: index as EvaluationPriority }
    this.#endTokens = options.endTokens
    this.#onSampler = options.onSampler
    this.#stateFile = options.stateFile
  }

  commonPrefix(tokens: readonly Token[]): number {
    return this.#sequence.compareContextTokens(tokens as Token[]).firstDifferentIndex
  }

  heldTokens(): number {
    return this.#filler?.held ?? this.#sequence.nextTokenIndex
  }

  filledTokens(): number {
    return this.#filler ? this.#sequence.nextTokenIndex - this.#filler.held : 0
  }

  canFill(heldMax: number): boolean {
    const held = this.heldTokens()
    return held <= heldMax && held + FILLED_TOKENS_MAX < this.#sequence.contextSize - 1
  }

  async fill(): Promise<void> {
    this.#filler ??= this.#newFiller()
    await this.#filler.iterator.next()
  }

  async keep(keep: number): Promise<number> {
    await this.#endFiller()
    if (keep < this.#sequence.nextTokenIndex) {
      const kept = this.#sequence.contextTokens.slice(0, keep)
      // Without shifting: shifted tokens would be another text than the prompt.
      await this.#sequence.adaptStateToTokens(kept, false)
    }
    return this.#sequence.nextTokenIndex
  }

  async read(tokens: Token[]): Promise<void> {
    this.#onSampler()
    await this.#sequence.evaluateWithoutGeneratingNewTokens(tokens, this.#order)
  }

  async start(tokens: Token[], sampling: Sampling): Promise<SampledToken> {
    this.#generated = []
    this.#sampling = sampling
    if (sampling.topLogprobs !== undefined) {
      this.#top = { sampler: new TopSampler(sampling), sampling, last: undefined }
      return this.#evaluateTop(tokens)
    }
    this.#goOnFrom(tokens, sampling)
    return this.next()
  }

  #goOnFrom(tokens: Token[], sampling: Sampling): void {
    this.#onSampler()
    // Without metadata this is `evaluate` with one generator less between it and us.
    this.#iterator = this.#sequence.evaluateWithMetadata(
      tokens,
      {},
      { ...this.#libraryOptions(sampling), yieldEogToken: true },
    )
  }

  async next(): Promise<SampledToken> {
    if (this.#top) return this.#evaluateTop([this.#top.last as Token])
    const result = await this.#iterator?.next()
    if (!result || result.done) throw new Error('the library ended the sequence by itself')
    const { token } = result.value
    this.#generated.push(token)
    return { token }
  }

  async finish(): Promise<void> {
    const iterator = this.#iterator
    this.#iterator = undefined
    this.#top = undefined
    this.#sampling = undefined
    // Awaited before the sequence is touched again: a late step would corrupt the next answer.
    await iterator?.return()
  }

  canMove(): boolean {
    if (!this.#stateFile?.path || this.heldTokens() > MOVED_TOKENS_MAX) return false
    if (this.#sampling === undefined) return true
    // What only the library's sampler knows is lost: where a grammar is, which chances came.
    const { grammar, isSeeded, temperature } = this.#sampling
    return grammar === undefined && (this.#top !== undefined || !isSeeded || temperature === 0)
  }

  async moveTo(target: LlamaRunner): Promise<boolean> {
    const [top, sampling] = [this.#top, this.#sampling]
    await this.finish()
    await target.#endFiller()
    const isMoved = await this.#copyTo(target)
    const runner = isMoved ? target : this
    runner.#generated = this.#generated
    runner.#sampling = sampling
    runner.#top = top
    const last = this.#generated.at(-1)
    if (sampling && !top && last !== undefined) {
      // By the same seed the same chances would come again.
      const seed = (sampling.seed + this.#generated.length) % SEEDS
      runner.#goOnFrom([last], { ...sampling, seed })
    }
    return isMoved
  }

  async #copyTo(target: LlamaRunner): Promise<boolean> {
    if (this.#sequence.nextTokenIndex === 0) {
      await target.keep(0)
      return true
    }
    const path = this.#stateFile?.path
    if (path === undefined) return false
    try {
      await this.#sequence.saveStateToFile(path)
    } catch (error) {
      this.#stateFile?.giveUp(error)
      return false
    }
    try {
      await target.#sequence.loadStateFromFile(path, { acceptRisk: true })
    } catch (error) {
      await target.#sequence.clearHistory()
      throw error
    }
    return true
  }

  async #endFiller(): Promise<void> {
    await this.#filler?.iterator.return()
    this.#filler = undefined
  }

  #newFiller() {
    const { contextTokens, nextTokenIndex, model } = this.#sequence
    const first = contextTokens.at(-1) ?? model.tokens.bos ?? (0 as Token)
    this.#onSampler()
    const options = { ...this.#order, temperature: 0, yieldEogToken: true }
    const iterator = this.#sequence.evaluateWithMetadata([first], {}, options)
    return { iterator, held: nextTokenIndex }
  }

  async #evaluateTop(tokens: Token[]): Promise<SampledToken> {
    const top = this.#top
    if (!top) throw new Error('the generation has not been started')
    this.#onSampler()
    const { topK, topLogprobs = 0 } = top.sampling
    const includeTop = topK > 0 ? Math.max(Math.min(topK, LOGITS_MAX), topLogprobs) : LOGITS_MAX
    const last: ControlledEvaluateInputItem = [
      tokens.at(-1) as Token,
      {
        generateNext: {
          logits: { filter: { tokens: [], includeTop } },
          totalLogitWeight: true,
          // At temperature 0 the library leaves the logits untouched and complete.
          options: { ...this.#libraryOptions(top.sampling), temperature: 0 },
        },
      },
    ]
    const input = [...tokens.slice(0, -1), last]
    const results = await this.#sequence.controlledEvaluate(input, this.#order)
    const next = results[tokens.length - 1]?.next
    if (!next?.logits || next.totalLogitWeight === undefined)
      throw new Error('the library returned no logits')
    const sampled = top.sampler.sample({
      logits: [...next.logits],
      totalWeight: next.totalLogitWeight,
    })
    top.last = sampled.token
    this.#generated.push(sampled.token)
    return sampled
  }

  #libraryOptions(sampling: Sampling) {
    const options: SequenceEvaluateOptions = {
      ...this.#order,
      temperature: sampling.temperature,
      topP: sampling.topP,
      topK: sampling.topK,
      minP: sampling.minP,
      seed: sampling.seed,
    }
    const { presencePenalty, frequencyPenalty, repeatPenalty } = sampling
    if (presencePenalty !== 0 || frequencyPenalty !== 0 || repeatPenalty !== 1)
      options.repeatPenalty = {
        punishTokens: () => this.#generated.slice(-PENALTY_WINDOW),
        maxPunishTokens: PENALTY_WINDOW,
        penalty: repeatPenalty,
        frequencyPenalty,
        presencePenalty,
      }
    const { logitBias, tokensMin } = sampling
    const bias = this.#bias(logitBias)
    if (logitBias.size > 0) options.tokenBias = bias
    if (tokensMin > 0) {
      const endless = this.#bias(logitBias, this.#endTokens)
      options.tokenBias = () => (this.#generated.length < tokensMin ? endless : bias)
    }
    if (sampling.grammar) options.grammarEvaluationState = sampling.grammar
    return options
  }

  /** Past the library's own `set`, which passes over tokens that end the generation. */
  #bias(biases: ReadonlyMap<number, number>, never: Iterable<Token> = []): TokenBias {
    const tokenBias = TokenBias.for(this.#sequence.model)
    const { _biases: logits } = tokenBias as unknown as { _biases: Map<number, number> }
    for (const [token, logit] of biases) logits.set(token, logit)
    for (const token of never) logits.set(token, Number.NEGATIVE_INFINITY)
    return tokenBias
  }
}
