/**
 * What dashboards for generative AI read: the metrics of OpenTelemetry's conventions
 * (opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics), with the names and bounds that they
 * have in Prometheus. Streams alone have a first token and a pace.
 */
import { HotHistogram, type HotRow, type Registry } from '../base/index.ts'
import type { EndReason, TokenCounts } from '../meter/index.ts'

/** Models may come and go; as labels these may be so many. */
const MODELS_MAX = 200
const OTHER = 'other'

const DURATION_S = [
  0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
]
const FIRST_TOKEN_S = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
]
const TOKEN_GAP_S = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5]
const TOKENS = Array.from({ length: 14 }, (_, i) => 4 ** i)

const OPERATIONS: Readonly<Record<string, string>> = {
  '/v1/chat/completions': 'chat',
  '/v1/completions': 'text_completion',
  '/v1/embeddings': 'embeddings',
}

/** The convention's name for what an endpoint does. */
export const operationOf = (endpoint: string): string => OPERATIONS[endpoint] ?? 'chat'

/** Rows of one operation with one model. */
interface Rows {
  labels: Readonly<Record<string, string>>
  /** By how they ended. */
  durations: Map<EndReason, HotRow>
  firstToken: HotRow
  tokenGap: HotRow
  input: HotRow
  output: HotRow
}

export interface Operation {
  endpoint: string
  /** As it was asked for; one that is served. */
  model: string
  end: EndReason
  counts: TokenCounts
  durationMs: number
  ttftMs: number | null
  tokenGapMs: number | null
}

export class GenAiMetrics {
  readonly #duration: HotHistogram
  readonly #firstToken: HotHistogram
  readonly #tokenGap: HotHistogram
  readonly #tokens: HotHistogram
  /** By model, then by operation. */
  readonly #rows = new Map<string, Map<string, Rows>>()

  constructor(registry: Registry) {
    const registers = [registry]
    this.#duration = new HotHistogram({
      name: 'gen_ai_server_request_duration_seconds',
      help: 'Time from the arrival of a request to its end; error_type where it was not answered',
      buckets: DURATION_S,
      registers,
    })
    this.#firstToken = new HotHistogram({
      name: 'gen_ai_server_time_to_first_token_seconds',
      help: 'Time from the arrival of a request to the first content of its stream',
      buckets: FIRST_TOKEN_S,
      registers,
    })
    this.#tokenGap = new HotHistogram({
      name: 'gen_ai_server_time_per_output_token_seconds',
      help: 'Mean time between the tokens of a streamed answer',
      buckets: TOKEN_GAP_S,
      registers,
    })
    this.#tokens = new HotHistogram({
      name: 'gen_ai_client_token_usage',
      help: 'Tokens of a request, as they are settled',
      buckets: TOKENS,
      registers,
    })
  }

  ended(operation: Operation): void {
    const { counts, end, ttftMs, tokenGapMs } = operation
    const rows = this.#of(operation.model, operationOf(operation.endpoint))
    let duration = rows.durations.get(end)
    if (duration === undefined) {
      const labels = end === 'done' ? rows.labels : { ...rows.labels, error_type: end }
      duration = this.#duration.row(labels)
      rows.durations.set(end, duration)
    }
    duration.observe(operation.durationMs / 1000)
    if (ttftMs !== null) rows.firstToken.observe(ttftMs / 1000)
    if (tokenGapMs !== null) rows.tokenGap.observe(tokenGapMs / 1000)
    if (counts.inputTokens + counts.outputTokens === 0) return
    rows.input.observe(counts.inputTokens)
    rows.output.observe(counts.outputTokens)
  }

  #of(model: string, name: string): Rows {
    let ofModel = this.#rows.get(model)
    if (ofModel === undefined) {
      if (this.#rows.size >= MODELS_MAX && model !== OTHER) {
        return this.#of(OTHER, name)
      }
      ofModel = new Map()
      this.#rows.set(model, ofModel)
    }
    let rows = ofModel.get(name)
    if (rows === undefined) {
      rows = this.#begin(name, model)
      ofModel.set(name, rows)
    }
    return rows
  }

  #begin(name: string, model: string): Rows {
    const labels = {
      gen_ai_operation_name: name,
      gen_ai_provider_name: 'gristmill',
      gen_ai_request_model: model,
    }
    const tokens = (kind: string) => this.#tokens.row({ ...labels, gen_ai_token_type: kind })
    return {
      labels,
      durations: new Map(),
      firstToken: this.#firstToken.row(labels),
      tokenGap: this.#tokenGap.row(labels),
      input: tokens('input'),
      output: tokens('output'),
    }
  }
}
