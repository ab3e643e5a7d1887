/**
 * The events of a chat stream as those of a Messages stream, one after the other: no I/O, nothing
 * held back but the last word, which is known when usage is.
 */
import { anthropicErrors } from '../../base/index.ts'
import type { TokenCounts } from '../../meter/index.ts'
import {
  CallNumbers,
  type EngineCall,
  type EngineWords,
  engineWords,
  fieldsOf,
  firstChoice,
} from '../engine-words.ts'
import { parsedObject, usageCounts } from '../usage.ts'
import { OWN_SIGNATURE } from './content.ts'
import {
  type AnswerFrame,
  type EngineEnd,
  endingOf,
  messageOf,
  toolUse,
  usageOf,
} from './ending.ts'
import { refusalBody } from './refusal.ts'

const PING = 'event: ping\ndata: {"type":"ping"}\n\n'
const DONE = '[DONE]'
const BAD_REQUEST = 400

export class MessageEvents {
  readonly #frame: AnswerFrame
  #isBegun = false
  #isOver = false
  /** The block that is open, by the index of its call where it is one. */
  #open: 'text' | 'thinking' | number | undefined
  /** Blocks begun so far. */
  #blocks = 0
  /** Blocks of calls, by their index in the chat. */
  readonly #calls = new Map<number, number>()
  #end: EngineEnd | undefined
  #usage: TokenCounts | null = null
  /** Events with content, which is what output is counted by where the engine does not tell. */
  #contents = 0
  readonly #numbers = new CallNumbers()

  constructor(frame: AnswerFrame) {
    this.#frame = frame
  }

  /** A sign of life. It begins nothing, since an engine of this wire may say its own beginning. */
  ping(): string {
    return PING
  }

  /** @param text whole events of a chat stream; returns what becomes of them, perhaps '' */
  next(text: string): string {
    let out = ''
    for (const line of text.split('\n')) {
      if (!line.startsWith('data:')) continue
      const data = line.slice(5).trim()
      out += data === DONE ? this.#close() : this.#event(data)
    }
    return out
  }

  #event(data: string): string {
    const chunk = parsedObject(data)
    if (chunk === null || this.#isOver) return ''
    if (chunk.error) return this.#error(data)
    this.#usage = usageCounts(chunk.usage) ?? this.#usage
    const choice = firstChoice(chunk)
    if (choice === undefined) return this.#begin()
    const out = this.#begin() + this.#words(engineWords(fieldsOf(choice.delta)))
    const { finish_reason: finishReason, stop_reason: stopReason } = choice
    if (typeof finishReason === 'string') {
      this.#end = { finishReason, stopReason, hasCalls: this.#calls.size > 0 }
    }
    return out
  }

  #words({ thinking, text, calls }: EngineWords): string {
    if (thinking !== '' || text !== '' || calls.length > 0) this.#contents++
    let out = ''
    if (thinking !== '') {
      out += this.#enter('thinking', { type: 'thinking', thinking: '', signature: '' })
      out += this.#part(this.#blocks - 1, 'thinking_delta', 'thinking', thinking)
    }
    if (text !== '') {
      out += this.#enter('text', { type: 'text', text: '', citations: null })
      out += this.#part(this.#blocks - 1, 'text_delta', 'text', text)
    }
    for (const call of calls) out += this.#call(call)
    return out
  }

  #call(call: EngineCall): string {
    const { arguments: json } = call
    const index = this.#numbers.numberOf(call)
    let out = ''
    let block = this.#calls.get(index)
    if (block === undefined) {
      const bare = { ...call, arguments: '' }
      out += this.#enter(index, toolUse(bare, index, this.#frame))
      block = this.#blocks - 1
      this.#calls.set(index, block)
    }
    return json === '' ? out : out + this.#part(block, 'input_json_delta', 'partial_json', json)
  }

  /** Begins a block, unless it is the one that is open. */
  #enter(what: 'text' | 'thinking' | number, block: object): string {
    if (this.#open === what) return ''
    const left = this.#leave()
    this.#open = what
    const index = this.#blocks++
    return left + event('content_block_start', { index, content_block: block })
  }

  #leave(): string {
    if (this.#open === undefined) return ''
    const index = this.#blocks - 1
    const signed =
      this.#open === 'thinking'
        ? this.#part(index, 'signature_delta', 'signature', OWN_SIGNATURE)
        : ''
    this.#open = undefined
    return signed + event('content_block_stop', { index })
  }

  /** The usual event, put together from its few parts. */
  #part(index: number, type: string, key: string, text: string): string {
    return (
      `event: content_block_delta\ndata: {"type":"content_block_delta","index":${index},` +
      `"delta":{"type":"${type}","${key}":${JSON.stringify(text)}}}\n\n`
    )
  }

  #begin(): string {
    if (this.#isBegun) return ''
    this.#isBegun = true
    const { estimatedInputTokens: inputTokens } = this.#frame
    const usage = usageOf({ inputTokens, cachedTokens: 0, outputTokens: 0 })
    return event('message_start', { message: messageOf(this.#frame, [], null, usage) })
  }

  #close(): string {
    if (this.#isOver || this.#end === undefined) return ''
    this.#isOver = true
    const { estimatedInputTokens: inputTokens } = this.#frame
    const counted = { inputTokens, cachedTokens: 0, outputTokens: this.#contents }
    const usage = this.#usage ?? counted
    const ending = endingOf(this.#end, this.#frame, this.#usage)
    const delta = { ...ending, stop_details: null, container: null }
    return (
      this.#leave() +
      event('message_delta', { delta, usage: usageOf(usage) }) +
      event('message_stop', {})
    )
  }

  /** An engine's own error, passed on after the stream had begun. */
  #error(data: string): string {
    this.#isOver = true
    return anthropicErrors.event(JSON.stringify(refusalBody(BAD_REQUEST, Buffer.from(data))))
  }
}

function event(type: string, fields: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`
}
