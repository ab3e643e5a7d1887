/** The body of `POST /v1/chat/completions`: what is understood, and how it is checked. */
import { z } from 'zod'
import { checked, GristmillError } from '../base/index.ts'
import { samplingFields } from './sampling-request.ts'
import { checkToolChoice, toolChoiceField, toolChoiceOf } from './tool-choice.ts'

const part = z.object({
  type: z.string(),
  text: z.string().optional(),
  refusal: z.string().optional(),
})
const content = z.union([z.string(), z.array(part)])

const functionCall = z.object({ name: z.string(), arguments: z.string() })
const toolCall = z.object({
  id: z.string(),
  type: z.literal('function').optional(),
  function: functionCall,
})

const ROLES_WITH_CONTENT = ['system', 'developer', 'user']

const message = z
  .object({
    role: z.enum(['system', 'developer', 'user', 'assistant', 'tool', 'function']),
    content: content.nullish(),
    name: z.string().nullish(),
    tool_calls: z.array(toolCall).nullish(),
    tool_call_id: z.string().nullish(),
    /** The old form of `tool_calls`. */
    function_call: functionCall.nullish(),
  })
  // A prompt that a program lost on its way would get an answer to nothing.
  .refine(({ role, content }) => content != null || !ROLES_WITH_CONTENT.includes(role), {
    path: ['content'],
    message: 'it must be a string or a list',
  })

const toolName = z
  .string()
  .regex(/^[a-zA-Z0-9_.-]{1,128}$/, 'it may have letters, digits, _, . and - only, at most 128')
const schemaObject = z.record(z.string(), z.unknown())
const isOfObjects = ({ type = 'object' }: Record<string, unknown>) => type === 'object'

const tool = z.object({
  type: z.literal('function'),
  function: z.object({
    name: toolName,
    description: z.string().nullish(),
    parameters: schemaObject.refine(isOfObjects, 'its type must be object').nullish(),
    strict: z.boolean().nullish(),
  }),
})

const responseFormat = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text') }),
  z.object({ type: z.literal('json_object') }),
  z.object({
    type: z.literal('json_schema'),
    json_schema: z.object({ name: z.string().optional(), schema: schemaObject }),
  }),
])

const TOOLS_MAX = 128

const chatSchema = z.object({
  ...samplingFields,
  messages: z.array(message).min(1).max(10_000),
  max_completion_tokens: samplingFields.max_tokens,
  logprobs: z.boolean().nullish(),
  top_logprobs: z.number().int().min(0).max(20).nullish(),
  response_format: responseFormat.nullish(),
  tools: z.array(tool).max(TOOLS_MAX).nullish(),
  tool_choice: toolChoiceField.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  functions: z.unknown().optional(),
  function_call: z.unknown().optional(),
})

export type ChatBody = z.infer<typeof chatSchema>
export type ResponseFormat = z.infer<typeof responseFormat>
export type ToolDefinition = z.infer<typeof tool>

/** A message as templates read it: text content, arguments of calls as objects. */
export interface ChatMessage {
  role: string
  content: string
  name?: string
  tool_call_id?: string
  tool_calls?: { id: string; type: 'function'; function: { name: string; arguments: unknown } }[]
}

/** @throws GristmillError `invalid_value` or `unsupported_parameter` naming the field */
export function parseChatBody(body: unknown): ChatBody {
  const chat = checked(chatSchema, body)
  if (typeof chat.top_logprobs === 'number' && chat.top_logprobs > 0 && !chat.logprobs)
    throw new GristmillError('invalid_value', {
      param: 'top_logprobs',
      reason: 'it needs logprobs to be true',
    })
  for (const param of ['functions', 'function_call'] as const)
    if (chat[param] !== undefined && chat[param] !== null)
      throw new GristmillError('unsupported_parameter', {
        param,
        reason: 'it is the old form of tools and tool_choice, which are understood',
      })
  const names = (chat.tools ?? []).map((entry) => entry.function.name)
  checkToolChoice(toolChoiceOf(chat.tool_choice), names)
  return chat
}

/**
 * The messages as templates read them. @throws GristmillError `unsupported_parameter` for images
 * and audio
 */
export function templateMessages(messages: ChatBody['messages']): ChatMessage[] {
  return messages.map((entry, i) => {
    const result: ChatMessage = {
      role: entry.role === 'developer' ? 'system' : entry.role,
      content: textOf(entry.content, i),
    }
    if (entry.name) result.name = entry.name
    if (entry.tool_call_id) result.tool_call_id = entry.tool_call_id
    const { function_call: old } = entry
    const calls = entry.tool_calls ?? (old && [{ id: '', function: old }])
    if (calls?.length)
      result.tool_calls = calls.map((call) => ({
        id: call.id,
        type: 'function',
        function: { name: call.function.name, arguments: parsedArguments(call.function.arguments) },
      }))
    return result
  })
}

function textOf(value: z.infer<typeof content> | null | undefined, index: number): string {
  if (typeof value === 'string') return value
  return (value ?? [])
    .map(({ type, text, refusal }, j) => {
      if (type === 'text' && text !== undefined) return text
      if (type === 'refusal' && refusal !== undefined) return refusal
      const param = `messages.${index}.content.${j}`
      if (type === 'text' || type === 'refusal')
        throw new GristmillError('invalid_value', {
          param: `${param}.${type}`,
          reason: 'it is missing',
        })
      throw new GristmillError('unsupported_parameter', {
        param,
        reason: `this engine reads text only, not ${type}`,
      })
    })
    .join('')
}

/**
 * Templates print arguments as JSON themselves; text that is no JSON, or nested more deeply than
 * can be written, is handed on as it is.
 */
function parsedArguments(text: string): unknown {
  try {
    const value = JSON.parse(text) as unknown
    JSON.stringify(value)
    return value
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return text
    throw error
  }
}
