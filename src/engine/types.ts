/** How the pool and the gateway talk to any engine: one request out, one stream of bytes back. */
import type { IncomingHttpHeaders } from 'node:http'
import type { ServiceName } from './services/presets.ts'
import type { RateReport } from './services/rate-limits.ts'

export type EngineState = 'starting' | 'up' | 'down' | 'draining'

export interface ServedModel {
  name: string
  contextTokens: number | null
  toy: boolean
  /** True where it turns texts into vectors and writes none, as far as the engine tells. */
  embedsOnly?: boolean
}

/** What is known of an engine from its own words: health, models, capacity. */
export interface EngineProfile {
  /** The program; `openai` is anything else that speaks the wire, `service` what is rented. */
  kind:
    | 'gristmill'
    | 'vllm'
    | 'sglang'
    | 'llama.cpp'
    | 'ollama'
    | 'tgi'
    | 'lm-studio'
    | 'openai'
    | 'service'
  /** Whom it is rented from; absent for own machines. */
  service?: ServiceName | undefined
  version: string | null
  models: readonly ServedModel[]
  /** Sequences it runs at its knee; the scheduler's cap. */
  cap: number
  /** Where the cap comes from, a sentence. */
  capReason: string
  /** Extra sequences it was started with. */
  express: number
  /**
   * Sequences beyond cap and express that it holds for background work which stands aside, so that
   * interactive work need not wait until a place comes free.
   */
  spare: number
  /** Highest cap that may be tried where more at once get more done. */
  capMost: number
  /** Calibrated capacity, service units per second; null where unknown. */
  capacityUnitsPerS: number | null
  /** Calibrated time between tokens at the cap, p95 of requests, milliseconds; null if unknown. */
  tokenGapMs: number | null
  /** True where it understands `priority` (lower goes first). */
  takesPriority: boolean
  /** True where prefix caching can be kept apart by `cache_salt`. */
  takesCacheSalt: boolean
  /** True where a request can do without the prefix cache, by `cache_prompt: false`. */
  takesCacheOff: boolean
  /**
   * Slots that it numbers (`id_slot`), of which each keeps the prompt that it read last and gives
   * it to nobody who is sent to another one. Absent where that is not so, or not known yet.
   */
  promptSlots?: number | undefined
  /** True where worse-ranked requests stand aside inside the engine, step by step. */
  yieldsBySteps: boolean
  /** True where it tells of its own load. */
  tellsLoad: boolean
  /** What an operator could improve, a sentence; null where nothing is known. */
  advice: string | null
}

/** An engine's own view of its load. */
export interface EngineLoad {
  running: number
  /** Requests that wait inside the engine; null where it does not say. */
  waiting: number | null
  /** Part of the memory for keys and values in use, 0 to 1; null where it does not say. */
  kvUsage: number | null
  /** Requests thrown out to make room since its start; null where it does not say. */
  preemptions: number | null
}

/** How long an engine's steps have taken since it was started, as far as it tells. */
export interface StepTimes {
  /** Steps that read: of prompts so many tokens, in so many pieces. */
  read: { tokens: number; pieces: number; seconds: number }
  /** Steps that wrote, by the sequences that their pass computed. */
  passes: { sequences: number; count: number; seconds: number }[]
  /** Streams of people beside which background ones stand aside. */
  enough: number
}

/** What a rented service says about its limits with the beginning of an answer. */
export interface RateNews {
  requestId: string
  /** The key that the request was sent with, and all that the service has. */
  keyId: string
  keyIds: readonly string[]
  /** null where it says nothing. */
  report: RateReport | null
}

/** A request as it goes to an engine; the body is complete and must not be changed any more. */
export interface EngineRequest {
  requestId: string
  /** `/v1/chat/completions`, … */
  path: string
  body: string | Uint8Array
  /** True where the answer is an event stream. */
  stream: boolean
  /** Headers of the client's for a wire that has its own, names and values in turns. */
  headers?: readonly string[]
}

/** Receives an engine's answer. Exactly one of `end` and `fail` is called, once, and last. */
export interface EngineSink {
  /** Status and headers; for non-2xx answers the body follows through `data` all the same. */
  head(status: number, headers: IncomingHttpHeaders): void
  /** Bytes in order. Returning false pauses the engine's stream until `resume` is called. */
  data(chunk: Uint8Array): boolean
  end(): void
  /**
   * The engine could not be reached, broke off or timed out; `firstByte` tells whether bytes came.
   */
  fail(error: Error, firstByte: boolean): void
}

export interface EngineCall {
  resume(): void
  /** Stops generation; the sink's `fail` is called with an abort error unless it has ended. */
  abort(): void
}

/** An engine's own count for a request that ended or was cut; null fields where it cannot tell. */
export interface EngineCount {
  inputTokens: number
  cachedTokens: number
  outputTokens: number
  ended: boolean
}

export interface Engine {
  readonly id: string
  readonly name: string
  readonly url: string
  /** True where it takes and gives the words of Anthropic's wire as well. */
  readonly speaksMessages: boolean
  /** How often it may be asked for its health, milliseconds. */
  readonly probePeriodMs: number
  /** Sends a request at once; never queues. */
  dispatch(request: EngineRequest, sink: EngineSink): EngineCall
  /** Asks for health, models and capacity. @throws when it is not healthy, with the reason */
  probe(signal: AbortSignal): Promise<EngineProfile>
  /** Asks for its load; null where it tells nothing, which never means that it is idle. */
  load(signal: AbortSignal): Promise<EngineLoad | null>
  /** Asks how long its steps have taken; null where it does not tell. */
  stepTimes(signal: AbortSignal): Promise<StepTimes | null>
  /** The engine's own count for a request, or null where it keeps none. */
  countOf(requestId: string, signal: AbortSignal): Promise<EngineCount | null>
  /**
   * Tokens of a chat's prompt by its own tokenizer; null where it offers none or refuses.
   * @param chat fields of a chat request
   */
  countTokens(chat: Record<string, unknown>, signal: AbortSignal): Promise<number | null>
  close(): Promise<void>
}
