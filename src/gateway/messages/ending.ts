/** How an answer ended and what it used, in the words of the Messages wire. */
import type { ServiceClass } from '../../base/index.ts'
import type { TokenCounts } from '../../meter/index.ts'
import type { EngineCall } from '../engine-words.ts'
import { parsedInput } from '../usage.ts'

/** What an answer is told with, beside what the engine says. */
export interface AnswerFrame {
  /** `msg_…` */
  id: string
  model: string
  serviceClass: ServiceClass
  estimatedInputTokens: number
  /** Bound of the answer that the client and the operator allow; the context may allow less. */
  outputTokensMax: number
  stops: readonly string[]
}

/** What an engine says of the end of its answer. */
export interface EngineEnd {
  finishReason: string
  /** The stop string that was met, where the engine says so. */
  stopReason: unknown
  hasCalls: boolean
}

export interface Ending {
  stop_reason: string
  stop_sequence: string | null
}

/** @param usage as the engine tells it; null where it does not */
export function endingOf(end: EngineEnd, frame: AnswerFrame, usage: TokenCounts | null): Ending {
  const { finishReason, stopReason, hasCalls } = end
  const plain = (stop_reason: string) => ({ stop_reason, stop_sequence: null })
  if (finishReason === 'length') {
    const isShort = usage !== null && usage.outputTokens < frame.outputTokensMax
    return plain(isShort ? 'model_context_window_exceeded' : 'max_tokens')
  }
  if (finishReason === 'content_filter') return plain('refusal')
  // Engines end a call of a named function with "stop".
  if (hasCalls) return plain('tool_use')
  if (typeof stopReason === 'string' && frame.stops.includes(stopReason)) {
    return { stop_reason: 'stop_sequence', stop_sequence: stopReason }
  }
  return plain('end_turn')
}

/** Usage as of the whole answer. The wire's input tokens are those that no cache had. */
export function usageOf({ inputTokens, cachedTokens, outputTokens }: TokenCounts) {
  return {
    input_tokens: inputTokens - cachedTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cachedTokens,
    output_tokens: outputTokens,
    output_tokens_details: null,
    server_tool_use: null,
  }
}

/** The message around the content; what has no meaning here is null, as the wire has it. */
export function messageOf(
  { id, model, serviceClass }: AnswerFrame,
  content: object[],
  ending: Ending | null,
  usage: ReturnType<typeof usageOf>,
) {
  return {
    id,
    type: 'message',
    role: 'assistant',
    model,
    content,
    stop_reason: null,
    stop_sequence: null,
    ...ending,
    stop_details: null,
    container: null,
    diagnostics: null,
    usage: {
      ...usage,
      cache_creation: null,
      inference_geo: null,
      // The wire has no word for flex, which is standard when there is time.
      service_tier: serviceClass === 'flex' ? 'standard' : serviceClass,
      speed: null,
    },
  }
}

/**
 * A call of a tool as a block; input that is no JSON object is handed over as the wire has it.
 * @param index of the call among those of its answer
 */
export function toolUse(call: EngineCall, index: number, frame: AnswerFrame) {
  const parsed = call.arguments === '' ? {} : parsedInput(call.arguments)
  const input = parsed ?? { INVALID_JSON: call.arguments }
  const id = call.id ?? `toolu_${frame.id.replace(/^msg_/, '')}_${index}`
  return { type: 'tool_use', id, name: call.name, input, caller: { type: 'direct' } }
}
