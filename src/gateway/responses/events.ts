/**
 * The events of a chat stream as those of a Responses stream, one after the other: no I/O. Nothing
 * is held back; what was said is remembered, because the wire repeats it at the end of an item.
 */
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
import {
  callItem,
  endOf,
  messageItem,
  type ResponseFrame,
  reasoningItem,
  reasoningPart,
  responseOf,
  type Status,
  textPart,
  toolOf,
} from './response.ts'
import { customInput } from './tools.ts'

const KEEP_ALIVE = ': keep-alive\n\n'
const DONE = '[DONE]'

/** The item that is being told. */
type Open =
  | { kind: 'message' | 'reasoning'; id: string; pieces: string[] }
  | { kind: 'call'; id: string; pieces: string[]; call: EngineCall }

export class ResponseEvents {
  readonly #frame: ResponseFrame
  #sequence = 0
  /** The whole response; null until it is there. */
  whole: Record<string, unknown> | null = null
  #isBegun = false
  #isOver = false
  #open: Open | undefined
  /** Items that have been told to their end. */
  readonly #output: object[] = []
  #finishReason: string | undefined
  #usage: TokenCounts | null = null
  #contents = 0
  readonly #numbers = new CallNumbers()

  constructor(frame: ResponseFrame) {
    this.#frame = frame
  }

  ping(): string {
    return this.#begin() + KEEP_ALIVE
  }

  /** @param text whole events of a chat stream; returns what becomes of them, perhaps '' */
  next(text: string): string {
    let out = ''
    for (const line of text.split('\n')) {
      if (!line.startsWith('data:')) continue
      const data = line.slice(5).trim()
      out += data === DONE ? this.#close() : this.#event(parsedObject(data))
    }
    return out
  }

  /** A refusal as the last event; the error in OpenAI's shape. */
  failure(error: Record<string, unknown>): string {
    this.#isOver = true
    return this.#begin() + this.#told('error', error)
  }

  #event(chunk: Record<string, unknown> | null): string {
    if (chunk === null || this.#isOver) return ''
    if (chunk.error) return this.failure(fieldsOf(chunk.error))
    this.#usage = usageCounts(chunk.usage) ?? this.#usage
    const choice = firstChoice(chunk)
    if (choice === undefined) return this.#begin()
    if (typeof choice.finish_reason === 'string') this.#finishReason = choice.finish_reason
    return this.#begin() + this.#words(engineWords(fieldsOf(choice.delta)))
  }

  #words({ thinking, text, calls }: EngineWords): string {
    if (thinking !== '' || text !== '' || calls.length > 0) this.#contents++
    let out = ''
    if (thinking !== '') out += this.#piece('reasoning', 'response.reasoning_text.delta', thinking)
    if (text !== '') out += this.#piece('message', 'response.output_text.delta', text)
    for (const call of calls) out += this.#call(call)
    return out
  }

  #piece(kind: 'message' | 'reasoning', type: string, delta: string): string {
    let out = ''
    if (this.#open?.kind !== kind) {
      out += this.#leave('completed')
      const id = `${kind === 'message' ? 'msg' : 'rs'}_${this.#frame.id}_${this.#output.length}`
      const open = { kind, id, pieces: [] }
      this.#open = open
      const item = kind === 'message' ? messageItem : reasoningItem
      out += this.#item('response.output_item.added', item(id, 'in_progress', []))
      const part = kind === 'message' ? textPart('') : reasoningPart('')
      out += this.#inItem('response.content_part.added', id, { content_index: 0, part })
    }
    if (this.#open === undefined) return out
    this.#open.pieces.push(delta)
    const logprobs = kind === 'message' ? { logprobs: [] } : {}
    return out + this.#inItem(type, this.#open.id, { content_index: 0, delta, ...logprobs })
  }

  #call(given: EngineCall): string {
    let out = ''
    const { arguments: delta } = given
    const call = { ...given, index: this.#numbers.numberOf(given) }
    if (this.#open?.kind !== 'call' || this.#open.call.index !== call.index) {
      out += this.#leave('completed')
      const id = `fc_${this.#frame.id}_${this.#output.length}`
      const bare = { ...call, arguments: '' }
      this.#open = { kind: 'call', id, pieces: [], call: bare }
      const item = callItem(id, 'in_progress', bare, this.#frame)
      out += this.#item('response.output_item.added', item)
    }
    if (delta === '') return out
    this.#open.pieces.push(delta)
    // What other tools are asked is made of those arguments, and known when they are whole.
    if (toolOf(this.#open.call, this.#frame).type !== 'function') return out
    return out + this.#inItem('response.function_call_arguments.delta', this.#open.id, { delta })
  }

  /** Tells the end of the item that is open. */
  #leave(status: Status): string {
    const open = this.#open
    if (open === undefined) return ''
    this.#open = undefined
    const { id, kind } = open
    const text = open.pieces.join('')
    let out = ''
    let item: object
    if (kind === 'call') {
      const call = { ...open.call, arguments: text }
      item = callItem(id, status, call, this.#frame)
      out += this.#callDone(id, call)
    } else {
      const isMessage = kind === 'message'
      const part = isMessage ? textPart(text) : reasoningPart(text)
      const type = isMessage ? 'response.output_text.done' : 'response.reasoning_text.done'
      const logprobs = isMessage ? { logprobs: [] } : {}
      out += this.#inItem(type, id, { content_index: 0, text, ...logprobs })
      out += this.#inItem('response.content_part.done', id, { content_index: 0, part })
      item = (isMessage ? messageItem : reasoningItem)(id, status, [part])
    }
    out += this.#item('response.output_item.done', item)
    this.#output.push(item)
    return out
  }

  #callDone(id: string, call: EngineCall): string {
    const { type, name } = toolOf(call, this.#frame)
    if (type === 'tool_search') return ''
    if (type === 'function') {
      const done = { name, arguments: call.arguments }
      return this.#inItem('response.function_call_arguments.done', id, done)
    }
    const input = customInput(call.arguments)
    return (
      this.#inItem('response.custom_tool_call_input.delta', id, { delta: input }) +
      this.#inItem('response.custom_tool_call_input.done', id, { input })
    )
  }

  #begin(): string {
    if (this.#isBegun) return ''
    this.#isBegun = true
    const response = responseOf(this.#frame, 'in_progress', [], null)
    return (
      this.#told('response.created', { response }) +
      this.#told('response.in_progress', { response })
    )
  }

  #close(): string {
    if (this.#isOver || this.#finishReason === undefined) return ''
    this.#isOver = true
    const { status, reason } = endOf(this.#finishReason)
    const { estimatedInputTokens: inputTokens } = this.#frame
    const counted = { inputTokens, cachedTokens: 0, outputTokens: this.#contents }
    const left = this.#leave(status)
    const usage = this.#usage ?? counted
    this.whole = responseOf(this.#frame, status, this.#output, usage, reason)
    return left + this.#told(`response.${status}`, { response: this.whole })
  }

  #item(type: string, item: object): string {
    return this.#told(type, { output_index: this.#output.length, item })
  }

  #inItem(type: string, id: string, fields: object): string {
    return this.#told(type, { item_id: id, output_index: this.#output.length, ...fields })
  }

  #told(type: string, fields: object): string {
    const data = JSON.stringify({ ...fields, type, sequence_number: this.#sequence++ })
    return `event: ${type}\ndata: ${data}\n\n`
  }
}
