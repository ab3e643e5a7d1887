/** Messages of the chat wire as those of Anthropic's Messages wire: pure, and nothing but them. */
import { GristmillError, parseExactly } from '../../base/index.ts'
import { type Fields, fieldsOf, listOf, textOf } from '../wire-fields.ts'

export interface MessagesMessage {
  role: 'user' | 'assistant' | 'system'
  content: Fields[]
}

const SYSTEM_ROLES = new Set(['system', 'developer'])
const DATA_URL = /^data:([\w.+/-]+)(?:;[\w=.-]+)*;base64,(.*)$/s

/**
 * What leads a chat is its system prompt; results of tools go into the message of the user that
 * answers the calls; neighbours of one role become one message, as the wire wants it.
 * @throws GristmillError `unsupported_parameter`, `invalid_value`, naming the field
 */
export function messagesContent(chat: unknown): { system: Fields[]; messages: MessagesMessage[] } {
  const given = listOf(chat)
  const first = given.findIndex((one) => !isSystem(fieldsOf(one)))
  const leading = first === -1 ? given.length : first
  const blocks = (value: unknown, i: number) => partBlocks(value, `messages.${i}.content`)
  const system = given.slice(0, leading).flatMap((one, i) => blocks(fieldsOf(one).content, i))
  const messages: MessagesMessage[] = []
  given.slice(leading).forEach((one, i) => {
    const next = messageOf(fieldsOf(one), `messages.${leading + i}`)
    if (next.content.length === 0) return
    const last = messages.at(-1)
    if (last?.role === next.role) last.content.push(...next.content)
    else messages.push(next)
  })
  return { system, messages }
}

const isSystem = ({ role }: Fields) => SYSTEM_ROLES.has(textOf(role))

function messageOf(message: Fields, path: string): MessagesMessage {
  const { role, content } = message
  const blocks = (value: unknown) => partBlocks(value, `${path}.content`)
  if (isSystem(message)) return { role: 'system', content: blocks(content) }
  if (role === 'tool' || role === 'function') {
    const result = { type: 'tool_result', tool_use_id: textOf(message.tool_call_id) }
    return { role: 'user', content: [{ ...result, content: blocks(content) }] }
  }
  if (role !== 'assistant') return { role: 'user', content: blocks(content) }
  return { role, content: [...thoughts(message), ...blocks(content), ...calls(message)] }
}

/** Thinking that the service has signed; it takes back none without its signature. */
function thoughts(message: Fields): Fields[] {
  return listOf(message.thinking_blocks)
    .map(fieldsOf)
    .filter((block) => textOf(block.signature) !== '' || block.type === 'redacted_thinking')
}

function calls({ tool_calls: given }: Fields): Fields[] {
  return listOf(given).map((call) => {
    const { id, function: called } = fieldsOf(call)
    const { name, arguments: text } = fieldsOf(called)
    return { type: 'tool_use', id: textOf(id), name: textOf(name), input: inputOf(textOf(text)) }
  })
}

/** The wire's input is an object; what a model wrote that is none goes back as the wire has it. */
function inputOf(text: string): object {
  if (text === '') return {}
  try {
    const value = parseExactly(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  return { INVALID_JSON: text }
}

function partBlocks(content: unknown, path: string): Fields[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  return listOf(content).flatMap((one, i) => blockOf(fieldsOf(one), `${path}.${i}`))
}

function blockOf(part: Fields, path: string): Fields[] {
  // Marks of what to cache are the client's own on this wire.
  const mark = part.cache_control ? { cache_control: part.cache_control } : {}
  switch (part.type) {
    case 'text':
    case 'refusal': {
      const text = textOf(part.text) || textOf(part.refusal)
      return text === '' ? [] : [{ type: 'text', text, ...mark }]
    }
    case 'image_url': {
      const { url } = fieldsOf(part.image_url)
      return [{ type: 'image', source: sourceOf(textOf(url)), ...mark }]
    }
    case 'file': {
      const source = sourceOf(textOf(fieldsOf(part.file).file_data))
      if (source.type === 'base64') return [{ type: 'document', source, ...mark }]
      throw unsupported(`${path}.file`, 'a file must come with its data')
    }
    default:
      throw unsupported(`${path}.type`, `the service has no part of the type ${textOf(part.type)}`)
  }
}

function sourceOf(url: string): Fields {
  const [, media_type, data] = DATA_URL.exec(url) ?? []
  return data === undefined ? { type: 'url', url } : { type: 'base64', media_type, data }
}

export function unsupported(param: string, reason: string): GristmillError {
  return new GristmillError('unsupported_parameter', { param, reason })
}
