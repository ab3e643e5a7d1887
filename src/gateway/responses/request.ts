/** A Responses request as the chat request that an engine gets: pure; the events are elsewhere. */
import { z } from 'zod'
import { checked, type Limits } from '../../base/index.ts'
import { meaningful, part, passedOn, unsupported } from '../body-part.ts'
import { type CanonicalRequest, lowered, readFields } from '../canonical.ts'
import { jsonOf } from '../json-text.ts'
import { responsesFields } from './fields.ts'
import { chatMessages } from './input.ts'
import { type Keeping, notKept, told } from './response.ts'
import { type KnownTool, ToolBox } from './tools.ts'

type Fields = Record<string, unknown>

const PAIRS_MAX = 16
const KEY_LENGTH_MAX = 64
const metadata = z
  .record(z.string(), z.unknown())
  // First, since of those that are wrong each would be put into words.
  .refine((pairs) => Object.keys(pairs).length <= PAIRS_MAX, `at most ${PAIRS_MAX} pairs are kept`)
  .pipe(z.record(z.string(), z.string().max(512, 'a value may have at most 512 characters')))
  .refine(
    (pairs) => Object.keys(pairs).every((key) => key.length <= KEY_LENGTH_MAX),
    `a key may have at most ${KEY_LENGTH_MAX} characters`,
  )

const scalars = z.object({
  model: z.string(),
  max_output_tokens: z.number().int().min(1).nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  truncation: z.enum(['auto', 'disabled']).nullish(),
  background: z.boolean().nullish(),
  store: z.boolean().nullish(),
  metadata: metadata.nullish(),
  reasoning: z.object({ effort: z.string().nullish() }).nullish(),
})

const schema = z.record(z.string(), z.unknown())
const textConfig = z.object({
  verbosity: z.string().nullish(),
  format: z
    .discriminatedUnion('type', [
      z.object({ type: z.literal('text') }),
      z.object({ type: z.literal('json_object') }),
      z.object({
        type: z.literal('json_schema'),
        name: z.string().nullish(),
        schema,
        strict: z.boolean().nullish(),
      }),
    ])
    .nullish(),
})

/** A request and what its answer needs to be told in this wire. */
export interface ResponsesRequest {
  canonical: CanonicalRequest
  /** Fields as the client sent them, told back in every answer. */
  asked: Fields
  /** Tools that are no plain functions to the client, by the names that engines know. */
  tools: ReadonlyMap<string, KnownTool>
  keeping: Keeping
}

/**
 * Reads the body of `POST /v1/responses`.
 * @param asked its fields, with what was said before at the beginning of `input`
 * @param keeping what is true of it where responses are kept
 * @throws GristmillError `invalid_value`, `unsupported_parameter`
 */
export function readResponses(
  asked: Fields,
  limits: Limits,
  keeping: Keeping = notKept,
): ResponsesRequest {
  const tools = new ToolBox()
  const chat = chatFields(asked, tools, keeping)
  const raw = Buffer.from(jsonOf(chat))
  // Told back in every answer, so that it must be possible to write it.
  jsonOf(told(asked))
  const canonical = readFields(
    '/v1/chat/completions',
    raw,
    { ...chat, ...standingIn(asked) },
    limits,
  )
  return {
    canonical: lowered(
      { ...canonical, door: '/v1/responses', fields: chat, isKept: hasLife(keeping) },
      limits,
    ),
    asked,
    tools: tools.known,
    keeping,
  }
}

/** True for a body of this wire at the door of the other: some editors send such. */
export const isForResponses = ({ messages, input }: Fields): boolean =>
  messages === undefined && input !== undefined

/**
 * Reads such a body; it is answered in the words of chat completions, as its door says.
 * @throws GristmillError `invalid_value`, `unsupported_parameter`
 */
export function readInputAsChat(asked: Fields, limits: Limits): CanonicalRequest {
  const chat = chatFields(asked, new ToolBox(), notKept)
  const read = { ...chat, ...standingIn(asked), stream_options: asked.stream_options }
  const raw = Buffer.from(jsonOf(chat))
  return { ...readFields('/v1/chat/completions', raw, read, limits), fields: chat }
}

/** Who asks and how urgently: the gateway's business, and not the engine's. */
function standingIn(asked: Fields): Fields {
  const { user, safety_identifier, metadata, service_tier, prompt_cache_key } = asked
  return { user, safety_identifier, metadata, service_tier, prompt_cache_key }
}

function chatFields(fields: Fields, tools: ToolBox, keeping: Keeping): Fields {
  const given = meaningful(fields, responsesFields, 'Responses')
  const { model, max_output_tokens, truncation, background, reasoning } = checked(scalars, given)
  if (truncation === 'auto') throw unsupported('truncation', 'nothing is left out of a prompt')
  if (background && !keeping.isBackground) {
    throw unsupported('background', `${NOT_KEPT}; use a batch`)
  }
  if (given.previous_response_id !== undefined && keeping.previousId === null) {
    throw unsupported('previous_response_id', `${NOT_KEPT}; send the whole input`)
  }
  const { stream, temperature, top_p } = given
  tools.add(given.tools ?? [], 'tools')
  const chat: Fields = { model, messages: chatMessages(given.instructions, given.input, tools) }
  const plain = {
    stream,
    temperature,
    top_p,
    max_tokens: max_output_tokens,
    reasoning_effort: reasoning?.effort,
    ...passedOn(given, responsesFields),
  }
  for (const [name, value] of Object.entries(plain)) {
    if (value !== undefined && value !== null) chat[name] = value
  }
  if (stream === true) chat.stream_options = { include_usage: true }
  return Object.assign(chat, toolFields(given, tools), textFields(given))
}

/** True where its answer stands for more than its body says. */
const hasLife = ({ isKept, previousId }: Keeping) => isKept || previousId !== null

const NOT_KEPT = 'responses are not kept for this tenant, nor in a batch'

function toolFields(given: Fields, tools: ToolBox): Fields {
  const { functions, choice } = tools.chosen(given.tool_choice)
  const tool_choice = choice === undefined ? {} : { tool_choice: choice }
  // Agent programs say both in every request, and engines refuse them where there is no tool.
  if (functions.length === 0) return choice === 'auto' || choice === 'none' ? {} : tool_choice
  const { parallel_tool_calls } = given
  return {
    tools: functions,
    ...tool_choice,
    ...(parallel_tool_calls !== undefined && { parallel_tool_calls }),
  }
}

function textFields(given: Fields): Fields {
  const { verbosity, format } = part(textConfig, given.text ?? {}, 'text')
  const result: Fields = {}
  if (verbosity) result.verbosity = verbosity
  if (format?.type === 'json_object') result.response_format = format
  if (format?.type === 'json_schema') {
    const { name, schema: wanted, strict } = format
    const json_schema = { name: name ?? 'answer', schema: wanted, strict: strict ?? true }
    result.response_format = { type: 'json_schema', json_schema }
  }
  return result
}
