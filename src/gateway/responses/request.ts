/** A Responses request as the chat request that an engine gets: pure; the events are elsewhere. */
import { z } from 'zod'
import { checked, type Limits } from '../../base/index.ts'
import { meaningful, part, passedOn, unsupported } from '../body-part.ts'
import { type CanonicalRequest, parseObject, readFields } from '../canonical.ts'
import { responsesFields } from './fields.ts'
import { chatMessages, flatName } from './input.ts'

type Fields = Record<string, unknown>

const scalars = z.object({
  model: z.string(),
  max_output_tokens: z.number().int().min(1).nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  truncation: z.enum(['auto', 'disabled']).nullish(),
  background: z.boolean().nullish(),
  reasoning: z.object({ effort: z.string().nullish() }).nullish(),
})

const schema = z.record(z.string(), z.unknown())
const functionTool = z.object({
  name: z.string(),
  description: z.string().nullish(),
  parameters: schema.nullish(),
  strict: z.boolean().nullish(),
})
const anyTool = z.looseObject({ type: z.string() })
const namespaceTool = z.object({ name: z.string(), tools: z.array(anyTool) })

const toolChoice = z.union([
  z.enum(['auto', 'none', 'required']),
  z.looseObject({ type: z.string() }),
])
const namedChoice = z.object({ name: z.string() })

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
  /** Tools of namespaces by the names that engines know. */
  namespaced: ReadonlyMap<string, { namespace: string; name: string }>
}

/**
 * Reads the body of `POST /v1/responses`.
 * @throws GristmillError `invalid_json`, `invalid_value`, `unsupported_parameter`
 */
export function readResponses(body: Buffer, limits: Limits): ResponsesRequest {
  const asked = parseObject(body)
  const namespaced = new Map<string, { namespace: string; name: string }>()
  const chat = chatFields(asked, namespaced)
  const { user, safety_identifier, metadata, service_tier } = asked
  // Who asks and how urgently is the gateway's business and not the engine's.
  const standing = { user, safety_identifier, metadata, service_tier }
  const raw = Buffer.from(JSON.stringify(chat))
  const canonical = readFields('/v1/chat/completions', raw, { ...chat, ...standing }, limits)
  return { canonical: { ...canonical, door: '/v1/responses', fields: chat }, asked, namespaced }
}

function chatFields(fields: Fields, namespaced: Map<string, object>): Fields {
  const given = meaningful(fields, responsesFields, 'Responses')
  const { model, max_output_tokens, parallel_tool_calls, truncation, background, reasoning } =
    checked(scalars, given)
  if (truncation === 'auto') throw unsupported('truncation', 'nothing is left out of a prompt')
  if (background) throw unsupported('background', 'answers are not kept; use a batch')
  const { stream, temperature, top_p } = given
  const chat: Fields = { model, messages: chatMessages(given.instructions, given.input) }
  const plain = {
    stream,
    temperature,
    top_p,
    parallel_tool_calls,
    max_tokens: max_output_tokens,
    reasoning_effort: reasoning?.effort,
    ...passedOn(given, responsesFields),
  }
  for (const [name, value] of Object.entries(plain)) {
    if (value !== undefined && value !== null) chat[name] = value
  }
  if (stream === true) chat.stream_options = { include_usage: true }
  return Object.assign(chat, toolFields(given, namespaced), textFields(given))
}

function toolFields(given: Fields, namespaced: Map<string, object>): Fields {
  const result: Fields = {}
  const list = part(z.array(anyTool), given.tools ?? [], 'tools')
  const tools = list.flatMap((one, i) => {
    if (one.type !== 'namespace') return [functionOf(one, `tools.${i}`)]
    const { name: namespace, tools: inner } = part(namespaceTool, one, `tools.${i}`)
    return inner.map((tool, j) => {
      const found = functionOf(tool, `tools.${i}.tools.${j}`)
      const { name } = found.function
      const flat = flatName(namespace, name)
      namespaced.set(flat, { namespace, name })
      return { ...found, function: { ...found.function, name: flat } }
    })
  })
  if (tools.length > 0) result.tools = tools
  if (given.tool_choice === undefined) return result
  const choice = part(toolChoice, given.tool_choice, 'tool_choice')
  if (typeof choice === 'string') result.tool_choice = choice
  else if (choice.type === 'function') {
    const { name } = part(namedChoice, choice, 'tool_choice')
    result.tool_choice = { type: 'function', function: { name } }
  } else throw unsupported('tool_choice.type', `${choice.type}: engines call functions only`)
  return result
}

function functionOf(value: z.infer<typeof anyTool>, path: string) {
  const { type } = value
  if (type !== 'function') {
    throw unsupported(`${path}.type`, `${type}: engines call functions, and run no tools`)
  }
  const { name, description, parameters, strict } = part(functionTool, value, path)
  const known = { description, parameters, strict }
  const told = Object.entries(known).filter(([, one]) => one !== undefined && one !== null)
  return { type: 'function', function: { name, ...Object.fromEntries(told) } }
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
