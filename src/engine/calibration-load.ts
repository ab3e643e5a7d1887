/** The requests of a calibration: made-up text of known length, sent to one engine and timed. */
import { createParser } from 'eventsource-parser'
import type { Clock, Random } from '../base/index.ts'
import type { CalibrationPoint, Tokens } from './calibration.ts'
import type { Engine, EngineProfile, EngineSink } from './types.ts'

type Mix = CalibrationPoint['mix']

/** Words of a prompt, those of them that all prompts share, and tokens of the answer. */
const SHAPES: Record<Mix, { words: number; shared: number; outputTokens: number }> = {
  even: { words: 30, shared: 0, outputTokens: 48 },
  prompts: { words: 160, shared: 0, outputTokens: 4 },
  answers: { words: 6, shared: 0, outputTokens: 64 },
  prefixes: { words: 170, shared: 160, outputTokens: 4 },
}

/**
 * Answers and prompts differ by up to this part of their length: equal ones would begin together
 * and end together, so that no stream ever waited while another's prompt is read.
 */
const SPREAD = 0.5

/** Programs that complete a bare prompt and can be told to write on to the end. */
const TAKES_PROMPTS = new Set<EngineProfile['kind']>(['gristmill', 'vllm', 'sglang', 'llama.cpp'])

const WORDS = [
  ...['mill', 'river', 'stone', 'grain', 'wheel', 'flour', 'baker', 'valley', 'bridge', 'harvest'],
  ...['winter', 'market', 'carter', 'meadow', 'barn', 'oven', 'bread', 'rope', 'sack', 'water'],
]

export interface CalibrationRequest {
  id: string
  mix: Mix
  model: string
  rank: number
  slot?: number | undefined
}

/** What the caller learns while an answer comes. */
export interface CalibrationProgress {
  output(tokens: number): void
}

export interface CalibrationAnswer {
  tokens: Tokens
  /** Mean time between events with content, milliseconds; null below two. */
  tokenGapMs: number | null
}

/** Asks an engine once. @throws Error where it refuses or breaks off */
export function askForCalibration(
  engine: Engine,
  profile: EngineProfile,
  request: CalibrationRequest,
  progress: CalibrationProgress,
  { clock, random, signal }: { clock: Clock; random: Random; signal: AbortSignal },
): Promise<CalibrationAnswer> {
  const isChat = !TAKES_PROMPTS.has(profile.kind)
  const path = isChat ? '/v1/chat/completions' : '/v1/completions'
  const body = JSON.stringify(bodyOf(request, profile, isChat, random))
  return new Promise((resolve, reject) => {
    const answer = new Answer(clock, progress, resolve, reject)
    const call = engine.dispatch({ requestId: request.id, path, body, stream: true }, answer)
    signal.addEventListener('abort', () => call.abort(), { once: true })
  })
}

function bodyOf(
  { mix, model, rank, slot }: CalibrationRequest,
  profile: EngineProfile,
  isChat: boolean,
  random: Random,
): object {
  const { words, shared, outputTokens } = shapeOf(mix, random)
  const text = [
    ...Array.from({ length: shared }, (_, i) => WORDS[i % WORDS.length]),
    // Its own from here on, so that nothing more of it is found read.
    Math.floor(random.next() * 1e9),
    ...Array.from({ length: words - shared }, () => WORDS[Math.floor(random.next() * 20)]),
  ].join(' ')
  return {
    model,
    ...(isChat ? { messages: [{ role: 'user', content: text }] } : { prompt: text }),
    max_tokens: outputTokens,
    // Not every engine knows the field, and one that does not would refuse.
    ...(!isChat && { ignore_eos: true }),
    ...(profile.takesPriority && { priority: rank }),
    ...(profile.takesCacheSalt && { cache_salt: 'calibration' }),
    ...(profile.takesCacheOff && { cache_prompt: mix === 'prefixes' }),
    ...(slot !== undefined && { id_slot: slot }),
    stream: true,
    stream_options: { include_usage: true },
  }
}

function shapeOf(
  mix: Mix,
  random: Random,
): { words: number; shared: number; outputTokens: number } {
  const { words, shared, outputTokens } = SHAPES[mix]
  const around = (count: number) => Math.round(count * (1 + SPREAD * (2 * random.next() - 1)))
  return { words: shared + around(words - shared), shared, outputTokens: around(outputTokens) }
}

interface Event {
  choices?: { text?: string; delta?: { content?: string | null } }[]
  usage?: {
    prompt_tokens: number
    completion_tokens: number
    prompt_tokens_details?: { cached_tokens?: number | null } | null
  } | null
}

const REFUSAL_SHOWN_MAX = 200

class Answer implements EngineSink {
  readonly #clock: Clock
  readonly #progress: CalibrationProgress
  readonly #resolve: (answer: CalibrationAnswer) => void
  readonly #reject: (error: Error) => void
  readonly #text = new TextDecoder()
  readonly #parser = createParser({ onEvent: ({ data }) => this.#read(data) })
  #status = 0
  #refusal = ''
  #events = 0
  #firstAtMs = 0
  #lastAtMs = 0
  #usage: Event['usage']

  constructor(
    clock: Clock,
    progress: CalibrationProgress,
    resolve: (answer: CalibrationAnswer) => void,
    reject: (error: Error) => void,
  ) {
    this.#clock = clock
    this.#progress = progress
    this.#resolve = resolve
    this.#reject = reject
  }

  head(status: number): void {
    this.#status = status
  }

  data(chunk: Uint8Array): boolean {
    const text = this.#text.decode(chunk, { stream: true })
    if (this.#status === 200) this.#parser.feed(text)
    else this.#refusal = (this.#refusal + text).slice(0, REFUSAL_SHOWN_MAX)
    return true
  }

  end(): void {
    if (this.#status !== 200) {
      this.#reject(new Error(`it answers with status ${this.#status}: ${this.#refusal}`))
      return
    }
    const usage = this.#usage
    if (!usage) {
      this.#reject(new Error('it does not tell how many tokens an answer took'))
      return
    }
    const cached = usage.prompt_tokens_details?.cached_tokens ?? 0
    const input = usage.prompt_tokens - cached
    const gapMs = (this.#lastAtMs - this.#firstAtMs) / (usage.completion_tokens - 1)
    this.#resolve({
      tokens: { input, cached, output: usage.completion_tokens },
      tokenGapMs: this.#events < 2 ? null : gapMs,
    })
  }

  fail(error: Error): void {
    this.#reject(error)
  }

  #read(data: string): void {
    if (data === '[DONE]') return
    const { choices, usage } = JSON.parse(data) as Event
    if (usage) this.#usage = usage
    const [choice] = choices ?? []
    if (!choice?.text && !choice?.delta?.content) return
    this.#lastAtMs = this.#clock.monotonicMs()
    if (this.#events++ === 0) this.#firstAtMs = this.#lastAtMs
    this.#progress.output(this.#events)
  }
}
