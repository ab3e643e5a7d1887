/** What the gateway shows to Prometheus; every label has few values. */
import {
  Gauge,
  HotCounter,
  LabelHistogram,
  type Registry,
  type ServiceClass,
} from '../base/index.ts'
import type { GuardResult } from '../guard/index.ts'
import type { EndReason } from '../meter/index.ts'
import { GenAiMetrics, type Operation } from './gen-ai-metrics.ts'

const GUARD_NAMES_MAX = 200

export class GatewayMetrics {
  readonly #requests: HotCounter
  readonly #cacheAsked: HotCounter
  readonly #guards: HotCounter
  /** Guards may come and go; as labels these may be so many. */
  readonly #guardNames = new Set<string>()
  readonly #tokens: HotCounter
  readonly #ttftSeconds: LabelHistogram
  readonly #gapSeconds: LabelHistogram
  readonly #genAi: GenAiMetrics

  /**
   * @param openRequests how many requests are open now
   * @param keptBytes what answers take that are kept
   */
  constructor(registry: Registry, openRequests: () => number, keptBytes: () => number) {
    const registers = [registry]
    this.#genAi = new GenAiMetrics(registry)
    this.#requests = new HotCounter({
      name: 'gristmill_requests_total',
      help: 'Requests by class and by how they ended',
      labelNames: ['class', 'end'],
      registers,
    })
    this.#cacheAsked = new HotCounter({
      name: 'gristmill_response_cache_total',
      help: 'Requests that asked the response cache, by class and result',
      labelNames: ['class', 'result'],
      registers,
    })
    this.#guards = new HotCounter({
      name: 'gristmill_guard_outcomes_total',
      help: 'Requests by the guards that they met and how these found them',
      labelNames: ['guard', 'outcome'],
      registers,
    })
    this.#tokens = new HotCounter({
      name: 'gristmill_tokens_total',
      help: 'Tokens settled, by class and kind; cached ones are part of the input',
      labelNames: ['class', 'kind'],
      registers,
    })
    this.#ttftSeconds = new LabelHistogram({
      name: 'gristmill_ttft_seconds',
      help: 'Time from arrival to the first content of a stream',
      labelName: 'class',
      buckets: [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
      registers,
    })
    this.#gapSeconds = new LabelHistogram({
      name: 'gristmill_token_gap_seconds',
      help: 'Mean time between the tokens of a streamed answer',
      labelName: 'class',
      buckets: [0.005, 0.01, 0.02, 0.04, 0.08, 0.12, 0.25, 0.5, 1, 5],
      registers,
    })
    new Gauge({
      name: 'gristmill_open_requests',
      help: 'Requests that are open: being read, waiting or running',
      registers,
      collect() {
        this.set(openRequests())
      },
    })
    new Gauge({
      name: 'gristmill_kept_answer_bytes',
      help: 'Bytes of answers kept for the response cache and for requests that are repeated',
      registers,
      collect() {
        this.set(keptBytes())
      },
    })
  }

  guarded(results: readonly GuardResult[]): void {
    for (const { name, outcome } of results) {
      if (this.#guardNames.size < GUARD_NAMES_MAX) this.#guardNames.add(name)
      this.#guards.inc(this.#guardNames.has(name) ? name : 'other', outcome)
    }
  }

  cacheAsked(serviceClass: ServiceClass, result: 'hit' | 'miss'): void {
    this.#cacheAsked.inc(serviceClass, result)
  }

  settled(serviceClass: ServiceClass, operation: Operation): void {
    this.#genAi.ended(operation)
    const { counts } = operation
    this.#tokens.inc(serviceClass, 'input', counts.inputTokens)
    this.#tokens.inc(serviceClass, 'cached', counts.cachedTokens)
    this.#tokens.inc(serviceClass, 'output', counts.outputTokens)
  }

  ended(
    serviceClass: ServiceClass,
    end: EndReason,
    ttftMs: number | null,
    tokenGapMs: number | null,
  ): void {
    this.#requests.inc(serviceClass, end)
    if (ttftMs !== null) this.#ttftSeconds.observe(serviceClass, ttftMs / 1000)
    if (tokenGapMs !== null) this.#gapSeconds.observe(serviceClass, tokenGapMs / 1000)
  }
}
