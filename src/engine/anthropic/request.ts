/** A chat request as the Messages request that means the same: pure; the events are elsewhere. */
import { type Fields, fieldsOf, listOf, textOf } from '../wire-fields.ts'
import { messagesContent, unsupported } from './content.ts'
import { chatFates } from './fields.ts'

/** The wire wants a bound; this one stands where nobody named any. */
const OUTPUT_TOKENS_DEFAULT = 4096
const EFFORTS: Record<string, string> = { none: 'low', minimal: 'low' }

/**
 * @param chat fields of a chat request, as engines get it
 * @throws GristmillError `unsupported_parameter` for what the service cannot do
 */
export function messagesRequest(chat: Fields): Fields {
  for (const [name, value] of Object.entries(chat)) {
    const known = Object.hasOwn(chatFates, name) ? chatFates[name] : undefined
    if (known?.fate === 'refused' && isMeant(name, value)) throw unsupported(name, known.how)
  }
  const { system, messages } = messagesContent(chat.messages)
  return {
    model: chat.model,
    ...(system.length > 0 && { system }),
    messages,
    max_tokens: chat.max_completion_tokens ?? chat.max_tokens ?? OUTPUT_TOKENS_DEFAULT,
    ...(chat.stream === true && { stream: true }),
    ...sampling(chat),
    ...toolFields(chat),
    ...outputFields(chat),
    ...endUser(chat),
  }
}

/** One answer, no probabilities and plain text are what the service gives anyway. */
function isMeant(name: string, value: unknown): boolean {
  if (value === null || value === undefined || value === false) return false
  if (name === 'n') return value !== 1
  if (name === 'top_logprobs') return value !== 0
  if (name === 'modalities') return listOf(value).some((one) => one !== 'text')
  return true
}

function sampling({ temperature, top_p, top_k, stop }: Fields): Fields {
  const stops = (typeof stop === 'string' ? [stop] : listOf(stop)).map(textOf)
  // The service refuses those that are nothing but space.
  const stop_sequences = stops.filter((text) => text.trim() !== '')
  return {
    ...(typeof temperature === 'number' && { temperature: Math.min(1, temperature) }),
    ...(typeof top_p === 'number' && { top_p }),
    ...(typeof top_k === 'number' && top_k > 0 && { top_k }),
    ...(stop_sequences.length > 0 && { stop_sequences }),
  }
}

function toolFields(chat: Fields): Fields {
  const tools = listOf(chat.tools).map((tool, i) => toolOf(fieldsOf(tool), `tools.${i}`))
  if (tools.length === 0) return {}
  const choice = choiceOf(chat.tool_choice)
  const isSerial = chat.parallel_tool_calls === false && choice?.type !== 'none'
  if (!isSerial) return { tools, ...(choice && { tool_choice: choice }) }
  return {
    tools,
    tool_choice: { ...(choice ?? { type: 'auto' }), disable_parallel_tool_use: true },
  }
}

function toolOf({ type, function: given }: Fields, path: string): Fields {
  if (type !== 'function') throw unsupported(`${path}.type`, 'only functions can be called')
  const { name, description, parameters, strict } = fieldsOf(given)
  return {
    name,
    ...(typeof description === 'string' && { description }),
    input_schema: parameters ?? { type: 'object', properties: {} },
    ...(typeof strict === 'boolean' && { strict }),
  }
}

function choiceOf(choice: unknown): Fields | undefined {
  if (choice === undefined || choice === null) return undefined
  if (choice === 'required') return { type: 'any' }
  if (typeof choice === 'string') return { type: choice }
  const { type, function: given } = fieldsOf(choice)
  if (type === 'function') return { type: 'tool', name: fieldsOf(given).name }
  throw unsupported('tool_choice', 'the service chooses among all tools, or takes one by name')
}

function outputFields({ response_format: format, reasoning_effort: effort }: Fields): Fields {
  const { type, json_schema: given } = fieldsOf(format)
  if (type === 'json_object') {
    throw unsupported('response_format', 'the service needs a schema: use json_schema')
  }
  const config = {
    ...(type === 'json_schema' && {
      format: { type: 'json_schema', schema: fieldsOf(given).schema },
    }),
    ...(typeof effort === 'string' && { effort: EFFORTS[effort] ?? effort }),
  }
  return Object.keys(config).length === 0 ? {} : { output_config: config }
}

function endUser({ safety_identifier: newer, user }: Fields): Fields {
  const id = textOf(newer) || textOf(user)
  return id === '' ? {} : { metadata: { user_id: id } }
}
