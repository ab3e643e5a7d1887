/** What the routes share: the loaded model, its driver, its template, its books. */
import { type Clock, GristmillError, type Logger, type Random } from '../base/index.ts'
import type { Calibration } from './calibration.ts'
import type { AnswerHead } from './chat-response.ts'
import type { ChatTemplate } from './chat-template.ts'
import { type CompletionRequest, detokenizerOf } from './completion.ts'
import type { Driver } from './driver.ts'
import type { Embedder, ReadingRate } from './embedder.ts'
import type { EngineMetrics } from './engine-metrics.ts'
import type { Progress } from './generation.ts'
import type { Exchange } from './http-server.ts'
import type { LoadedModel } from './loaded-model.ts'
import type { RequestLog } from './request-log.ts'
import type { SharedFields } from './sampling-request.ts'
import type { Detokenize } from './text-stream.ts'
import type { TokenBytes } from './token-bytes.ts'

export interface Engine {
  loaded: LoadedModel
  driver: Driver
  template: ChatTemplate
  tokenBytes: TokenBytes
  contextTokens: number
  threads: number
  cap: number
  express: number
  /** Sequences beyond both, for background work that stands aside. */
  spare: number
  /** Of a model that only embeds, how fast it reads. */
  calibration: Calibration | ReadingRate | undefined
  requests: RequestLog
  metrics: EngineMetrics
  embedder: Embedder
  clock: Clock
  random: Random
  logger: Logger
}

export const newProgress = (): Progress => ({
  promptTokens: 0,
  cachedTokens: 0,
  completionTokens: 0,
  prefillMs: 0,
  decodeMs: 0,
})

/** Fields of a `CompletionRequest` that do not depend on the wire. */
export function commonRequest(
  fields: SharedFields,
  signal: AbortSignal,
): Pick<CompletionRequest, 'priority' | 'cacheSalt' | 'choices' | 'ignoreEnd' | 'signal'> {
  return {
    priority: fields.priority ?? 0,
    cacheSalt: fields.cache_salt ?? '',
    choices: fields.n ?? 1,
    ignoreEnd: fields.ignore_eos ?? false,
    signal,
  }
}

/**
 * Keeps the books around a request: its record, its counts, its end exactly once.
 * @param work runs the request; its signal is aborted when the client goes or it is cancelled
 */
export async function onRecord(
  engine: Engine,
  exchange: Exchange,
  progress: Progress,
  work: (signal: AbortSignal) => Promise<'finished' | 'aborted'>,
): Promise<void> {
  const cancel = new AbortController()
  const abort = (reason: Error) => {
    cancel.abort(reason)
    engine.driver.wake()
  }
  const onGone = () => abort(new Error('the client has gone'))
  exchange.signal.addEventListener('abort', onGone, { once: true })
  if (exchange.signal.aborted) onGone()
  exchange.response.on('drain', () => engine.driver.wake())
  const record = engine.requests.begin(exchange.requestId, progress, abort)
  let end: 'finished' | 'aborted' | 'error' = 'error'
  try {
    end = await work(cancel.signal)
  } finally {
    exchange.signal.removeEventListener('abort', onGone)
    engine.requests.finish(record, end)
    engine.metrics.ended(progress, end)
  }
  if (end === 'aborted' && !exchange.signal.aborted) throw cancel.signal.reason
}

export const detokenizer = (engine: Engine): Detokenize => detokenizerOf(engine.loaded.model)

/** Bytes that may wait for a client before its stream pauses. */
const UNSENT_BYTES_MAX = 256 * 1024

export const isPaused = ({ response }: Exchange) => response.writableLength > UNSENT_BYTES_MAX

/** @throws GristmillError `model_not_found` when the request names another model */
export function checkModel({ loaded }: Engine, model: string | null | undefined): void {
  if (model && model !== loaded.name) throw new GristmillError('model_not_found', { model })
}

/**
 * For each id that no token has llama.cpp would look through the whole vocabulary at every step.
 * @throws GristmillError `invalid_value` for such an id
 */
export function checkBias({ loaded }: Engine, { logit_bias: bias }: SharedFields): void {
  const { vocabularySize } = loaded.summary
  const id = Object.keys(bias ?? {}).find((token) => Number(token) >= vocabularySize)
  if (id === undefined) return
  const reason = `there is no token ${id}`
  throw new GristmillError('invalid_value', { param: 'logit_bias', reason })
}

/** The fields that all bodies of an answer share. */
export const answerHead = (engine: Engine, exchange: Exchange, prefix: string): AnswerHead => ({
  id: `${prefix}-${exchange.requestId}`,
  created: Math.floor(engine.clock.nowMs() / 1000),
  model: engine.loaded.name,
})
