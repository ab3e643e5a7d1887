/** Messages of the Messages wire as those of the chat wire: pure, and nothing but them. */
import { z } from 'zod'
import { part, unsupported } from '../body-part.ts'
import { fieldsOf } from '../engine-words.ts'
import { jsonOf } from '../json-text.ts'
import { messagesBlocks } from './fields.ts'

export type ChatPart =
  | { type: 'text'; text: string }
  | { type: 'image_url'; image_url: { url: string } }

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant' | 'tool'
  content: string | ChatPart[] | null
  reasoning_content?: string
  tool_call_id?: string
  tool_calls?: { id: string; type: 'function'; function: { name: string; arguments: string } }[]
}

/**
 * Signature of thinking that an engine of ours told as `reasoning_content`, and to whom it may be
 * given back. Nothing secret: what is said to a model is the client's business.
 */
export const OWN_SIGNATURE = 'gristmill'

const block = z.looseObject({ type: z.string() })
const content = z.union([z.string(), z.array(block)])
const message = z.object({ role: z.enum(['user', 'assistant', 'system']), content })

const text = z.object({ text: z.string() })
const image = z.object({
  source: z.discriminatedUnion('type', [
    z.object({ type: z.literal('base64'), media_type: z.string(), data: z.string() }),
    z.object({ type: z.literal('url'), url: z.string() }),
    z.object({ type: z.literal('file') }),
  ]),
})
const document = z.object({
  source: z.discriminatedUnion('type', [
    z.object({ type: z.literal('text'), data: z.string() }),
    z.object({ type: z.literal('content'), content }),
    z.object({ type: z.enum(['base64', 'url', 'file']) }),
  ]),
  title: z.string().nullish(),
  context: z.string().nullish(),
  citations: z.object({ enabled: z.boolean().nullish() }).nullish(),
})
const toolReference = z.object({ tool_name: z.string() })
const toolUse = z.object({ id: z.string(), name: z.string(), input: z.unknown() })
const toolResult = z.object({
  tool_use_id: z.string(),
  content: content.nullish(),
  is_error: z.boolean().nullish(),
})
const thinking = z.object({ thinking: z.string(), signature: z.string().nullish() })

type Block = z.infer<typeof block>

/**
 * @returns the messages of a chat; a message with results of tools becomes several
 * @throws GristmillError `invalid_value`, `unsupported_parameter`, naming the field
 */
export function chatMessages(system: unknown, messages: unknown): ChatMessage[] {
  const first = isNothing(system) ? [] : [systemMessage(withoutBilling(system), 'system')]
  const list = part(z.array(z.unknown()).min(1), messages, 'messages')
  const last = list.length - 1
  const rest = list.flatMap((value, i) => {
    const path = `messages.${i}`
    const { role, content: given } = part(message, value, path)
    if (role === 'system') return [systemMessage(given, `${path}.content`)]
    if (role === 'user') return userMessages(blocksOf(given), `${path}.content`)
    if (i === last) throw unsupported(path, 'an answer that was begun cannot be continued')
    return [assistantMessage(blocksOf(given), `${path}.content`)]
  })
  return [...first, ...rest]
}

const isNothing = (value: unknown) => value === undefined || value === null

/**
 * Without the line in which an agent program tells its own service whom to bill: it differs from
 * one conversation to the next, and all that they share stands behind it.
 */
function withoutBilling(system: unknown): unknown {
  if (!Array.isArray(system)) return system
  return system.filter((one) => {
    const { text } = fieldsOf(one)
    return typeof text !== 'string' || !text.startsWith(BILLING)
  })
}

const BILLING = 'x-anthropic-billing-header:'

function systemMessage(value: unknown, path: string): ChatMessage {
  const given = part(content, value, path)
  const parts = blocksOf(given).flatMap((one, i) => partsOf(one, `${path}.${i}`))
  return { role: 'system', content: flat(parts) }
}

function userMessages(blocks: Block[], path: string): ChatMessage[] {
  const results: ChatMessage[] = []
  const rest: ChatPart[] = []
  blocks.forEach((one, i) => {
    const at = `${path}.${i}`
    if (one.type !== 'tool_result') rest.push(...partsOf(one, at))
    else {
      const { message: result, images } = resultOf(one, at)
      results.push(result)
      rest.push(...images)
    }
  })
  if (rest.length === 0 && results.length > 0) return results
  return [...results, { role: 'user', content: flat(rest) }]
}

function resultOf(value: Block, path: string): { message: ChatMessage; images: ChatPart[] } {
  const result = part(toolResult, value, path)
  const parts = blocksOf(result.content ?? '').flatMap((one, i) =>
    partsOf(one, `${path}.content.${i}`),
  )
  const texts = parts.filter((one) => one.type === 'text')
  const images = parts.filter((one) => one.type !== 'text')
  if (result.is_error) texts.unshift({ type: 'text', text: `Error: ${texts.shift()?.text ?? ''}` })
  const { tool_use_id } = result
  return { message: { role: 'tool', tool_call_id: tool_use_id, content: flat(texts) }, images }
}

function assistantMessage(blocks: Block[], path: string): ChatMessage {
  const parts: ChatPart[] = []
  const calls: NonNullable<ChatMessage['tool_calls']> = []
  let reasoning = ''
  blocks.forEach((one, i) => {
    const at = `${path}.${i}`
    if (one.type === 'tool_use') {
      const { id, name, input } = part(toolUse, one, at)
      const call = { name, arguments: jsonOf(input ?? {}) }
      calls.push({ id, type: 'function', function: call })
    } else if (one.type === 'thinking') {
      const thought = part(thinking, one, at)
      if (thought.signature === OWN_SIGNATURE) reasoning += thought.thinking
    } else if (one.type !== 'redacted_thinking') parts.push(...partsOf(one, at))
  })
  return {
    role: 'assistant',
    content: parts.length === 0 && calls.length > 0 ? null : flat(parts),
    ...(reasoning !== '' && { reasoning_content: reasoning }),
    ...(calls.length > 0 && { tool_calls: calls }),
  }
}

/** What a block of text, a picture or a document is in a chat. */
function partsOf(value: Block, path: string): ChatPart[] {
  switch (value.type) {
    case 'text':
      return [{ type: 'text', text: part(text, value, path).text }]
    case 'tool_reference': {
      const { tool_name: name } = part(toolReference, value, path)
      return [{ type: 'text', text: `The tool ${name} can be called now.` }]
    }
    case 'image':
      return [{ type: 'image_url', image_url: { url: imageUrl(value, path) } }]
    case 'document':
      return documentParts(value, path)
    default: {
      const known = messagesBlocks[value.type]
      const reason = known?.fate === 'refused' ? known.how : 'such a block cannot stand here'
      throw unsupported(`${path}.type`, `${value.type}: ${reason}`)
    }
  }
}

function imageUrl(value: Block, path: string): string {
  const { source } = part(image, value, path)
  if (source.type === 'file') throw unsupported(`${path}.source`, 'files are not kept for pictures')
  if (source.type === 'url') return source.url
  return `data:${source.media_type};base64,${source.data}`
}

function documentParts(value: Block, path: string): ChatPart[] {
  const { source, title, context, citations } = part(document, value, path)
  if (citations?.enabled) throw unsupported(`${path}.citations`, 'engines cannot cite')
  const before = [title, context].filter((one) => typeof one === 'string')
  const about: ChatPart[] = before.map((one) => ({ type: 'text', text: `${one}\n\n` }))
  if (source.type === 'text') return [...about, { type: 'text', text: source.data }]
  if (source.type !== 'content') {
    throw unsupported(`${path}.source`, `engines read no documents from ${source.type}; send text`)
  }
  const inner = blocksOf(source.content).flatMap((one, i) => {
    const at = `${path}.source.content.${i}`
    // Nor could this be read to any depth.
    if (one.type === 'document') throw unsupported(`${at}.type`, 'a document has none in it')
    return partsOf(one, at)
  })
  return [...about, ...inner]
}

function blocksOf(value: string | Block[]): Block[] {
  return typeof value === 'string' ? [{ type: 'text', text: value }] : value
}

/** One text is a string, which every engine takes; all else stays a list of parts. */
function flat(parts: ChatPart[]): string | ChatPart[] {
  const [first] = parts
  if (first === undefined) return ''
  return parts.length === 1 && first.type === 'text' ? first.text : parts
}
