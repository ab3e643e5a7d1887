/** What `GET /metrics` shows, under names like those of other engines. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Counter, createRegistry, Gauge, Histogram, type Registry } from '../base/index.ts'
import type { Driver } from './driver.ts'
import type { Embedder } from './embedder.ts'
import type { Progress } from './generation.ts'
import type { RequestEnd } from './request-log.ts'
import type { StepReport } from './step-report.ts'

/** The event-loop monitor's period, which its measurements include; each costs a wake-up. */
const DELAY_RESOLUTION_MS = 50

export class EngineMetrics {
  readonly registry: Registry = createRegistry()
  readonly #prompt = this.#counter('prompt_tokens_total', 'Prompt tokens of ended requests.')
  readonly #generated = this.#counter('generation_tokens_total', 'Generated tokens.')
  readonly #cached = this.#counter('cached_tokens_total', 'Prompt tokens that were reused.')
  readonly #aborted = this.#counter(
    'aborted_tokens_total',
    'Tokens generated for aborted requests.',
  )
  readonly #prefill = this.#counter('prefill_seconds_total', 'Time requests spent until a token.')
  readonly #decode = this.#counter('decode_seconds_total', 'Time requests spent generating.')
  readonly #requests = new Counter({
    name: 'gristmill:requests_total',
    help: 'Ended requests by how they ended.',
    labelNames: ['end'],
    registers: [this.registry],
  })
  readonly #steps = new Histogram({
    name: 'gristmill:step_seconds',
    help: 'Duration of a step of the batch.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 1, 2],
    registers: [this.registry],
  })
  readonly #readTokens = this.#counter('read_tokens_total', 'Prompt tokens that steps read.')
  readonly #readPieces = this.#counter('read_pieces_total', 'Pieces of prompts that steps read.')
  readonly #readSeconds = this.#counter('read_seconds_total', 'Duration of steps that read.')
  readonly #passes = this.#bySequences('passes_total', 'Steps that wrote.')
  readonly #passSeconds = this.#bySequences('pass_seconds_total', 'Duration of steps that wrote.')
  readonly #moves = this.#counter('moves_total', 'Requests that went on at another sequence.')
  #threads = 0
  readonly #delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS })

  constructor() {
    this.#delay.enable()
    this.#gauge('threads', 'Threads that computed the last step.', () => this.#threads)
    this.#gauge('event_loop_delay_p99_seconds', 'Since the last scrape.', () => {
      const seconds = this.#delay.percentile(99) / 1e9 - DELAY_RESOLUTION_MS / 1e3
      this.#delay.reset()
      return Math.max(0, seconds)
    })
  }

  /** Shows what is at work. */
  watch(driver: Driver, embedder: Pick<Embedder, 'requests'>, enough: number): void {
    const running = () => driver.counts.running + embedder.requests
    this.#gauge('num_requests_running', 'Requests that hold a slot or are embedded.', running)
    this.#gauge('num_requests_waiting', 'Requests without a slot.', () => driver.counts.waiting)
    this.#gauge('slots', 'Sequences of this engine.', () => driver.counts.slots)
    const aside = 'Streams of people beside which background ones stand aside.'
    this.#gauge('enough_streams', aside, () => enough)
  }

  step({ durationMs, sequences, pieces, readTokens, threads, moves }: StepReport): void {
    this.#threads = threads
    this.#moves.inc(moves)
    const seconds = durationMs / 1000
    this.#steps.observe(seconds)
    if (pieces > 0) {
      this.#readTokens.inc(readTokens)
      this.#readPieces.inc(pieces)
      this.#readSeconds.inc(seconds)
    } else {
      this.#passes.inc({ sequences })
      this.#passSeconds.inc({ sequences }, seconds)
    }
  }

  ended(progress: Progress, end: RequestEnd): void {
    this.#requests.inc({ end })
    this.#prompt.inc(progress.promptTokens)
    this.#generated.inc(progress.completionTokens)
    this.#cached.inc(progress.cachedTokens)
    this.#prefill.inc(progress.prefillMs / 1000)
    this.#decode.inc(progress.decodeMs / 1000)
    if (end !== 'finished') this.#aborted.inc(progress.completionTokens)
  }

  #bySequences(name: string, help: string): Counter<'sequences'> {
    return new Counter({
      name: `gristmill:${name}`,
      help: `${help} By the sequences that the pass computed.`,
      labelNames: ['sequences'],
      registers: [this.registry],
    })
  }

  #counter(name: string, help: string): Counter {
    return new Counter({ name: `gristmill:${name}`, help, registers: [this.registry] })
  }

  #gauge(name: string, help: string, read: () => number): void {
    const gauge: Gauge = new Gauge({
      name: `gristmill:${name}`,
      help,
      registers: [this.registry],
      collect: () => gauge.set(read()),
    })
  }
}
