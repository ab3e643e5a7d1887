/**
 * How many tokens a prompt will be, before any tokenizer has seen it: from the UTF-8 bytes of its
 * text. Right within a third for prose in most languages; the engine's own count corrects it.
 */

import { jsonOf } from './json-text.ts'

const BYTES_PER_TOKEN = 4
/** What a chat template adds around each message, and around the conversation. */
const TOKENS_PER_MESSAGE = 5
const TOKENS_PER_CHAT = 8
/** A picture or a sound counts as this much; its bytes say nothing about its tokens. */
const TOKENS_PER_MEDIUM = 512

type Fields = Record<string, unknown>

/** Tokens of the prompt in a chat body: its messages and the tools shown to the model. */
export function estimateChat(fields: Fields): number {
  const messages = Array.isArray(fields.messages) ? fields.messages : []
  let tokens = TOKENS_PER_CHAT + messages.length * TOKENS_PER_MESSAGE
  let bytes = 0
  for (const message of messages as (Fields | null)[]) {
    const content = message?.content
    if (typeof content === 'string') bytes += Buffer.byteLength(content)
    else if (Array.isArray(content)) {
      for (const part of content as (Fields | null)[]) {
        if (typeof part?.text === 'string') bytes += Buffer.byteLength(part.text)
        else tokens += TOKENS_PER_MEDIUM
      }
    }
    if (message?.tool_calls !== undefined) bytes += jsonOf(message.tool_calls).length
  }
  if (fields.tools !== undefined) bytes += jsonOf(fields.tools).length
  if (fields.response_format !== undefined) bytes += jsonOf(fields.response_format).length
  return tokens + Math.ceil(bytes / BYTES_PER_TOKEN)
}

/** Tokens of whatever text a body has, where nobody here knows what it means. */
export function estimateBody(fields: Fields): number {
  let bytes = 0
  const open: unknown[] = [fields]
  while (open.length > 0) {
    const value = open.pop()
    if (typeof value === 'string') bytes += Buffer.byteLength(value)
    else if (typeof value === 'object' && value !== null) {
      // Pictures and papers say nothing by their length.
      for (const [name, one] of Object.entries(value)) if (name !== 'data') open.push(one)
    }
  }
  return TOKENS_PER_CHAT + Math.ceil(bytes / BYTES_PER_TOKEN)
}

/** Lists of lists of tokens are all that the wire has. */
const LISTS_MAX = 2

/** Tokens of a completion's `prompt` or an embedding's `input`: text, tokens, or lists of them. */
export function estimateInput(input: unknown, lists = 0): number {
  if (typeof input === 'string') return 1 + Math.ceil(Buffer.byteLength(input) / BYTES_PER_TOKEN)
  if (!Array.isArray(input) || lists === LISTS_MAX) return 1
  if (typeof input[0] === 'number') return input.length
  let tokens = 0
  for (const part of input) tokens += estimateInput(part, lists + 1)
  return tokens
}
