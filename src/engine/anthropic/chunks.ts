/**
 * The events of a Messages stream as chunks of a chat stream, one after the other: no I/O, nothing
 * held back.
 */
import { parsedJson } from '../parsed-json.ts'
import { type Fields, fieldsOf, textOf } from '../wire-fields.ts'
import { chatError } from './errors.ts'
import { chatUsage, finishOf } from './usage.ts'

const DONE = 'data: [DONE]\n\n'
/** Keeps the time limit of a silent engine away and goes no further. */
const ALIVE = ': alive\n\n'

export class ChatChunks {
  readonly #created: number
  #head: Fields = {}
  #usage: Fields = {}
  /** Calls begun so far. */
  #calls = 0
  /** Thinking of the block that is open, to be handed out whole with its signature. */
  #thinking = ''

  /** @param created seconds since the epoch, as chunks tell it */
  constructor(created: number) {
    this.#created = created
  }

  /** @param event a whole event of a Messages stream; returns what becomes of it, perhaps '' */
  next(event: string): string {
    const at = event.indexOf('data:')
    if (at === -1) return ''
    const data = fieldsOf(parsedJson(event.slice(at + 5)))
    switch (data.type) {
      case 'message_start':
        return this.#begin(fieldsOf(data.message))
      case 'content_block_start':
        return this.#block(fieldsOf(data.content_block))
      case 'content_block_delta':
        return this.#delta(fieldsOf(data.delta))
      case 'message_delta':
        Object.assign(this.#usage, known(fieldsOf(data.usage)))
        return this.#choice({}, finishOf(fieldsOf(data.delta)))
      case 'message_stop':
        return `${this.#chunk({ choices: [], usage: chatUsage(this.#usage) })}${DONE}`
      case 'error':
        return `data: ${JSON.stringify(chatError(data))}\n\n`
      default:
        return ALIVE
    }
  }

  #begin({ id, model, usage }: Fields): string {
    this.#head = { id, object: 'chat.completion.chunk', created: this.#created, model }
    this.#usage = { ...fieldsOf(usage) }
    return this.#choice({ role: 'assistant', content: '' })
  }

  #block({ type, id, name, text, data }: Fields): string {
    this.#thinking = ''
    if (type === 'text') return textOf(text) === '' ? ALIVE : this.#choice({ content: text })
    if (type === 'redacted_thinking') {
      return this.#choice({ thinking_blocks: [{ type, data }] })
    }
    if (type !== 'tool_use') return ALIVE
    const index = this.#calls++
    const call = { index, id, type: 'function', function: { name, arguments: '' } }
    return this.#choice({ tool_calls: [call] })
  }

  #delta(delta: Fields): string {
    switch (delta.type) {
      case 'text_delta':
        return this.#choice({ content: delta.text })
      case 'input_json_delta': {
        const called = { arguments: delta.partial_json }
        return this.#choice({ tool_calls: [{ index: this.#calls - 1, function: called }] })
      }
      case 'thinking_delta':
        this.#thinking += textOf(delta.thinking)
        return this.#choice({ reasoning_content: delta.thinking })
      case 'signature_delta': {
        const { signature } = delta
        const signed = { type: 'thinking', thinking: this.#thinking, signature }
        return this.#choice({ thinking_blocks: [signed] })
      }
      default:
        return ALIVE
    }
  }

  #choice(delta: Fields, finish: Fields = { finish_reason: null }): string {
    return this.#chunk({ choices: [{ index: 0, delta, ...finish }] })
  }

  #chunk(fields: Fields): string {
    return `data: ${JSON.stringify({ ...this.#head, ...fields })}\n\n`
  }
}

/** Counts that are told; null says nothing new. */
function known(usage: Fields): Fields {
  return Object.fromEntries(Object.entries(usage).filter(([, value]) => value !== null))
}
