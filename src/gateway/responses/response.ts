/** The response object of the Responses wire and its items, as far as an answer has come. */
import type { TokenCounts } from '../../meter/index.ts'
import type { EngineCall } from '../engine-words.ts'
import { parsedInput } from '../usage.ts'
import { customInput, type KnownTool } from './tools.ts'

type Fields = Record<string, unknown>

/** What an answer is told with, beside what the engine says. */
export interface ResponseFrame {
  /** Of the request, without a prefix: names of items are made of it. */
  id: string
  model: string
  /** Seconds since the epoch. */
  createdAt: number
  /** In the wire's words. */
  tier: string
  /** Fields as the client sent them. */
  asked: Fields
  tools: ReadonlyMap<string, KnownTool>
  estimatedInputTokens: number
  keeping: Keeping
}

/** What a response is to the one before it and to those that may follow. */
export interface Keeping {
  /** True where it can be gone on from. */
  isKept: boolean
  /** The one that it goes on from. */
  previousId: string | null
  isBackground: boolean
}

export const notKept: Keeping = { isKept: false, previousId: null, isBackground: false }

export type Status = 'queued' | 'in_progress' | 'completed' | 'incomplete'

/** How an engine's end is told. */
export function endOf(finishReason: string): { status: Status; reason: string | null } {
  if (finishReason === 'length') return { status: 'incomplete', reason: 'max_output_tokens' }
  if (finishReason === 'content_filter') return { status: 'incomplete', reason: 'content_filter' }
  return { status: 'completed', reason: null }
}

/** @param reason why it is incomplete, if it is */
export function responseOf(
  { id, model, createdAt, tier, asked, keeping }: ResponseFrame,
  status: Status,
  output: object[],
  usage: TokenCounts | null,
  reason: string | null = null,
): Record<string, unknown> {
  return {
    id: `resp_${id}`,
    object: 'response',
    created_at: createdAt,
    status,
    background: keeping.isBackground,
    error: null,
    incomplete_details: reason === null ? null : { reason },
    ...told(asked),
    model,
    output,
    previous_response_id: keeping.previousId,
    service_tier: tier,
    store: keeping.isKept,
    truncation: 'disabled',
    usage: usage && usageOf(usage),
  }
}

/** What a client sent and is told back. */
export function told(asked: Fields): Fields {
  return {
    instructions: asked.instructions ?? null,
    max_output_tokens: asked.max_output_tokens ?? null,
    metadata: asked.metadata ?? {},
    parallel_tool_calls: asked.parallel_tool_calls ?? true,
    reasoning: { effort: null, summary: null, ...(asked.reasoning as Fields | null | undefined) },
    temperature: asked.temperature ?? null,
    text: asked.text ?? { format: { type: 'text' } },
    tool_choice: asked.tool_choice ?? 'auto',
    tools: asked.tools ?? [],
    top_p: asked.top_p ?? null,
  }
}

function usageOf({ inputTokens, cachedTokens, outputTokens, reasoningTokens = 0 }: TokenCounts) {
  return {
    input_tokens: inputTokens,
    input_tokens_details: { cached_tokens: cachedTokens },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: reasoningTokens },
    total_tokens: inputTokens + outputTokens,
  }
}

export const textPart = (text: string) => ({
  type: 'output_text',
  text,
  annotations: [],
  logprobs: [],
})
export const reasoningPart = (text: string) => ({ type: 'reasoning_text', text })

export function messageItem(id: string, status: Status, content: object[]) {
  return { id, type: 'message', status, role: 'assistant', content }
}

export function reasoningItem(id: string, status: Status, content: object[]) {
  return { id, type: 'reasoning', status, summary: [], content, encrypted_content: null }
}

/** What the client knows the tool of a call as. */
export function toolOf({ name }: EngineCall, { tools }: ResponseFrame): KnownTool {
  return tools.get(name) ?? { type: 'function', name }
}

export function callItem(id: string, status: Status, call: EngineCall, frame: ResponseFrame) {
  const { type, ...names } = toolOf(call, frame)
  const call_id = call.id ?? `call_${frame.id}_${call.index}`
  if (type === 'tool_search') {
    const asked = parsedInput(call.arguments) ?? {}
    return { id, type: 'tool_search_call', status, call_id, execution: 'client', arguments: asked }
  }
  const item = { id, status, call_id, ...names }
  return type === 'custom'
    ? { ...item, type: 'custom_tool_call', input: customInput(call.arguments) }
    : { ...item, type: 'function_call', arguments: call.arguments }
}
