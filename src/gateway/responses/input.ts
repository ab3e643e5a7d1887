/** Input of the Responses wire as messages of the chat wire: pure, and nothing but it. */
import { z } from 'zod'
import { part, unsupported } from '../body-part.ts'
import { jsonOf } from '../json-text.ts'
import { responsesItems } from './fields.ts'
import { customArguments, flatName, SEARCH, type ToolBox } from './tools.ts'

type ChatPart = { type: 'text'; text: string } | { type: 'image_url'; image_url: { url: string } }
type Content = string | ChatPart[]

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant' | 'tool'
  content: Content | null
  reasoning_content?: string
  tool_call_id?: string
  tool_calls?: { id: string; type: 'function'; function: { name: string; arguments: string } }[]
}

const contentPart = z.looseObject({ type: z.string() })
const content = z.union([z.string(), z.array(contentPart)])
const item = z.looseObject({ type: z.string().nullish() })
const message = z.object({ role: z.enum(['user', 'assistant', 'system', 'developer']), content })
const text = z.object({ text: z.string() })
const refusal = z.object({ refusal: z.string() })
const image = z.object({ image_url: z.string() })
const called = { call_id: z.string(), name: z.string(), namespace: z.string().nullish() }
const call = z.object({ ...called, arguments: z.string() })
const search = z.object({ call_id: z.string(), arguments: z.unknown() })
const searched = z.object({ call_id: z.string(), tools: z.unknown() })
const customCall = z.object({ ...called, input: z.string() })
const output = z.object({ call_id: z.string(), output: content })
const reasoning = z.object({ content: z.array(text).nullish() })

/**
 * @param tools gets those that the input brings
 * @returns the messages of a chat; items of the assistant that follow each other are one message
 * @throws GristmillError `invalid_value`, `unsupported_parameter`, naming the field
 */
export function chatMessages(instructions: unknown, input: unknown, tools: ToolBox): ChatMessage[] {
  const messages: ChatMessage[] = []
  if (instructions !== undefined) {
    messages.push({ role: 'system', content: part(z.string(), instructions, 'instructions') })
  }
  const items = part(z.union([z.string(), z.array(z.unknown()).min(1)]), input, 'input')
  if (typeof items === 'string') return [...messages, { role: 'user', content: items }]
  items.forEach((value, i) => {
    take(messages, value, `input.${i}`, tools)
  })
  return messages.map(withContent)
}

/** An answer that broke off in its thoughts said nothing, which engines take for text only. */
function withContent(message: ChatMessage): ChatMessage {
  return message.content === null && !message.tool_calls ? { ...message, content: '' } : message
}

function take(messages: ChatMessage[], value: unknown, path: string, tools: ToolBox): void {
  const { type } = part(item, value, path)
  switch (type ?? 'message') {
    case 'message': {
      const { role, content: given } = part(message, value, path)
      const said = contentOf(given, `${path}.content`)
      if (role !== 'assistant') {
        messages.push({ role: role === 'developer' ? 'system' : role, content: said })
        return
      }
      const own = assistantOf(messages, (last) => last.content === null && !last.tool_calls)
      own.content = said
      return
    }
    case 'function_call': {
      const made = part(call, value, path)
      addCall(messages, made, made.arguments)
      return
    }
    case 'custom_tool_call': {
      const made = part(customCall, value, path)
      addCall(messages, made, customArguments(made.input))
      return
    }
    case 'function_call_output':
    case 'custom_tool_call_output': {
      const result = part(output, value, path)
      const said = contentOf(result.output, `${path}.output`)
      messages.push({ role: 'tool', tool_call_id: result.call_id, content: said })
      return
    }
    case 'reasoning': {
      const thought = (part(reasoning, value, path).content ?? []).map((one) => one.text).join('')
      if (thought !== '') assistantOf(messages, () => false).reasoning_content = thought
      return
    }
    case 'tool_search_call': {
      const { call_id, arguments: asked } = part(search, value, path)
      addCall(messages, { call_id, name: SEARCH }, jsonOf(asked ?? {}))
      return
    }
    case 'tool_search_output': {
      const { call_id: id, tools: found } = part(searched, value, path)
      const names = tools.add(found, `${path}.tools`).join(', ') || 'none'
      messages.push({ role: 'tool', tool_call_id: id, content: `Tools that were found: ${names}` })
      return
    }
    case 'additional_tools':
      tools.add((value as { tools?: unknown }).tools, `${path}.tools`)
      return
    default: {
      const known = Object.hasOwn(responsesItems, String(type)) && responsesItems[String(type)]
      throw unsupported(`${path}.type`, `${type}: ${known ? known.how : 'there is no such item'}`)
    }
  }
}

function addCall(
  messages: ChatMessage[],
  { call_id: id, name, namespace }: Omit<z.infer<typeof call>, 'arguments'>,
  json: string,
): void {
  const own = assistantOf(messages, () => true)
  own.tool_calls ??= []
  const made = { name: flatName(namespace, name), arguments: json }
  own.tool_calls.push({ id, type: 'function', function: made })
}

/** The assistant's message that goes on, or a new one. */
function assistantOf(messages: ChatMessage[], goesOn: (last: ChatMessage) => boolean): ChatMessage {
  const last = messages.at(-1)
  if (last?.role === 'assistant' && goesOn(last)) return last
  const next: ChatMessage = { role: 'assistant', content: null }
  messages.push(next)
  return next
}

function contentOf(given: z.infer<typeof content>, path: string): Content {
  if (typeof given === 'string') return given
  const parts = given.map((one, i) => partOf(one, `${path}.${i}`))
  const [first] = parts
  return parts.length === 1 && first?.type === 'text' ? first.text : parts
}

function partOf(given: z.infer<typeof contentPart>, path: string): ChatPart {
  switch (given.type) {
    case 'input_text':
    case 'output_text':
    case 'text':
      return { type: 'text', text: part(text, given, path).text }
    case 'refusal':
      return { type: 'text', text: part(refusal, given, path).refusal }
    case 'input_image':
      return { type: 'image_url', image_url: { url: part(image, given, path).image_url } }
    default:
      throw unsupported(`${path}.type`, `${given.type}: engines read text and pictures`)
  }
}
