/** A Messages request as the chat request that an engine gets: pure; the events are elsewhere. */
import type { IncomingHttpHeaders } from 'node:http'
import { z } from 'zod'
import { checked, GristmillError, type Limits, parseExactly } from '../../base/index.ts'
import { meaningful, part, passedOn } from '../body-part.ts'
import { type CanonicalRequest, MODEL_LENGTH_MAX, parseObject } from '../canonical.ts'
import { jsonOf } from '../json-text.ts'
import { askerOf } from '../session-id.ts'
import { estimateBody, estimateChat } from '../token-estimate.ts'
import { type ChatMessage, chatMessages } from './content.ts'
import { messagesFields } from './fields.ts'
import { ownWords } from './own-words.ts'
import { toolFields } from './tools.ts'

type Fields = Record<string, unknown>

export interface ChatFields extends Fields {
  model: string
  messages: ChatMessage[]
}

const scalars = z.object({
  model: z.string().min(1).max(MODEL_LENGTH_MAX),
  stream: z.boolean().nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.number().int().min(0).nullish(),
  stop_sequences: z.array(z.string().min(1)).nullish(),
  service_tier: z.enum(['auto', 'standard_only']).nullish(),
  metadata: z.object({ user_id: z.string().nullish() }).nullish(),
})
const bound = z.object({ max_tokens: z.number().int().min(1) })

const format = z.object({
  type: z.literal('json_schema'),
  schema: z.record(z.string(), z.unknown()),
})
const outputConfig = z.object({
  format: format.nullish(),
  effort: z.enum(['low', 'medium', 'high', 'xhigh', 'max']).nullish(),
})

/**
 * Reads the body of `POST /v1/messages`.
 * @param headers of a client that may be answered by a service of the same wire; undefined for
 *   lines of batches, which are always translated
 * @throws GristmillError `invalid_json`, `invalid_value`, `unsupported_parameter`
 */
export function readMessages(
  body: Buffer,
  limits: Limits,
  headers?: IncomingHttpHeaders,
): CanonicalRequest {
  // What a tool is called with stands in it as objects, and is written as a text.
  const fields = parseObject(body, parseExactly)
  const { max_tokens: asked } = checked(bound, fields)
  const { service_tier: tier, metadata, stream } = checked(scalars, fields)
  const own = headers && ownWords(body, fields, headers, asked, limits)
  const read = chatOr(fields)
  if (own !== undefined && read instanceof GristmillError) own.untranslatable = read
  else if (read instanceof GristmillError) throw read
  const chat =
    read instanceof GristmillError ? { model: fields.model as string, messages: [] } : read
  return {
    door: '/v1/messages',
    endpoint: '/v1/chat/completions',
    model: chat.model,
    stream: stream === true,
    includeUsage: stream === true,
    choices: 1,
    outputTokensAsked: null,
    outputTokensAtMost: Math.min(asked, limits.outputTokensMax),
    serviceTier: tier === 'standard_only' ? 'default' : null,
    ...askerOf(metadata?.user_id ?? ''),
    estimatedInputTokens:
      own?.untranslatable === undefined ? estimateChat(chat) : estimateBody(fields),
    raw: Buffer.from(jsonOf(chat)),
    fields: chat,
    ...(own && { ownWords: own }),
  }
}

/** The chat request, or why there is none, which a service of the same wire need not mind. */
export function chatOr(fields: Fields): ChatFields | GristmillError {
  try {
    return chatFields(fields)
  } catch (error) {
    if (error instanceof GristmillError) return error
    throw error
  }
}

/**
 * The chat request that means the same, without a bound for its answer.
 * @throws GristmillError `invalid_value`, `unsupported_parameter`
 */
export function chatFields(fields: Fields): ChatFields {
  const given = meaningful(fields, messagesFields, 'Messages')
  const { model, stream, temperature, top_p, top_k, stop_sequences } = checked(scalars, given)
  const chat: ChatFields = { model, messages: chatMessages(given.system, given.messages) }
  if (stream) Object.assign(chat, { stream, stream_options: { include_usage: true } })
  const sampling = { temperature, top_p, top_k, ...passedOn(given, messagesFields) }
  for (const [name, value] of Object.entries(sampling)) {
    if (value !== undefined && value !== null) chat[name] = value
  }
  if (stop_sequences?.length) chat.stop = stop_sequences
  return Object.assign(chat, toolFields(given), outputFields(given))
}

function outputFields(given: Fields): Fields {
  const config = part(outputConfig, given.output_config ?? {}, 'output_config')
  const old = given.output_format
  const wanted = config.format ?? (old === undefined ? null : part(format, old, 'output_format'))
  const result: Fields = {}
  if (wanted) {
    const json_schema = { name: 'answer', strict: true, schema: wanted.schema }
    result.response_format = { type: 'json_schema', json_schema }
  }
  if (config.effort) {
    const isHigh = config.effort === 'xhigh' || config.effort === 'max'
    result.reasoning_effort = isHigh ? 'high' : config.effort
  }
  return result
}
