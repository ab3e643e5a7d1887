/** A whole message of the Messages wire as an answer of chat completions. */
import { type Fields, fieldsOf, listOf, textOf } from '../wire-fields.ts'
import { chatUsage, finishOf } from './usage.ts'

/** @param created seconds since the epoch */
export function chatAnswer(message: Fields, created: number): Fields {
  const blocks = listOf(message.content).map(fieldsOf)
  const textIn = (type: string, key: string) =>
    blocks.flatMap((block) => (block.type === type ? [textOf(block[key])] : [])).join('')
  const text = textIn('text', 'text')
  const reasoning = textIn('thinking', 'thinking')
  const thoughts = blocks.filter(({ type }) => type === 'thinking' || type === 'redacted_thinking')
  const calls = blocks.filter(({ type }) => type === 'tool_use')
  return {
    id: message.id,
    object: 'chat.completion',
    created,
    model: message.model,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: text === '' && calls.length > 0 ? null : text,
          ...(reasoning !== '' && { reasoning_content: reasoning }),
          ...(thoughts.length > 0 && { thinking_blocks: thoughts }),
          ...(calls.length > 0 && { tool_calls: calls.map(callOf) }),
        },
        ...finishOf(message),
      },
    ],
    usage: chatUsage(fieldsOf(message.usage)),
  }
}

function callOf({ id, name, input }: Fields): Fields {
  return { id, type: 'function', function: { name, arguments: JSON.stringify(input ?? {}) } }
}
