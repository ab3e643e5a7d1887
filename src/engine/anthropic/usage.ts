/** How an answer of the Messages wire ended and what it used, in the words of the chat wire. */
import { countOf, type Fields, fieldsOf, textOf } from '../wire-fields.ts'

const REASONS: Record<string, string> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  pause_turn: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool_calls',
  refusal: 'content_filter',
}

/** The reason, and the stop string that was met where it was one, as vLLM tells it. */
export function finishOf({ stop_reason: reason, stop_sequence: met }: Fields): Fields {
  return {
    finish_reason: REASONS[textOf(reason)] ?? 'stop',
    ...(reason === 'stop_sequence' && { stop_reason: met }),
  }
}

/**
 * The wire counts apart what a cache had and what it took in; the chat wire counts all that was
 * sent.
 */
export function chatUsage(usage: Fields): Fields {
  const cached = countOf(usage.cache_read_input_tokens)
  const written = countOf(usage.cache_creation_input_tokens)
  const prompt = countOf(usage.input_tokens) + cached + written
  const completion = countOf(usage.output_tokens)
  const { thinking_tokens: thinking } = fieldsOf(usage.output_tokens_details)
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached, cache_creation_tokens: written },
    completion_tokens_details: { reasoning_tokens: countOf(thinking) },
  }
}
