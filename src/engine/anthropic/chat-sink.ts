/**
 * An answer of the Messages wire on its way to whoever understands the chat wire: streams event by
 * event, whole answers and refusals at their end.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { EngineFailure } from '../engine-failure.ts'
import { parsedJson } from '../parsed-json.ts'
import type { EngineSink } from '../types.ts'
import { fieldsOf } from '../wire-fields.ts'
import { chatAnswer } from './answer.ts'
import { ChatChunks } from './chunks.ts'
import { chatError } from './errors.ts'

const END = /\r?\n\r?\n/
/** The service's own status for being overloaded, which others tell with 503. */
const OVERLOADED = 529

export interface ChatSinkOptions {
  isStream: boolean
  /** Seconds since the epoch, as answers tell it. */
  created: number
  /** Bytes of an answer or event held at most. */
  bytesMax: number
}

export class ChatSink implements EngineSink {
  readonly #sink: EngineSink
  readonly #options: ChatSinkOptions
  readonly #chunks: ChatChunks
  readonly #decoder = new TextDecoder()
  #status = 0
  /** What has come and cannot be told yet. */
  #held = ''
  #isOver = false

  constructor(sink: EngineSink, options: ChatSinkOptions) {
    this.#sink = sink
    this.#options = options
    this.#chunks = new ChatChunks(options.created)
  }

  head(status: number, headers: IncomingHttpHeaders): void {
    this.#status = status === OVERLOADED ? 503 : status
    this.#sink.head(this.#status, headers)
  }

  data(chunk: Uint8Array): boolean {
    if (this.#isOver) return true
    this.#held += this.#decoder.decode(chunk, { stream: true })
    const goesOn = this.#isEvents ? this.#events() : true
    if (this.#held.length <= this.#options.bytesMax) return goesOn
    const reason = `its answer has more than ${this.#options.bytesMax} bytes`
    this.fail(new EngineFailure('broken', reason), true)
    return true
  }

  end(): void {
    if (this.#isOver) return
    const body = this.#isEvents ? {} : fieldsOf(parsedJson(this.#held))
    const isAnswer = body.type === 'message'
    if (!this.#isEvents && this.#status < 300 && !isAnswer) {
      this.fail(new EngineFailure('broken', 'its answer is no message'), true)
      return
    }
    this.#isOver = true
    const { created } = this.#options
    if (!this.#isEvents) {
      this.#send(JSON.stringify(isAnswer ? chatAnswer(body, created) : chatError(body)))
    }
    this.#sink.end()
  }

  fail(error: Error, firstByte: boolean): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#sink.fail(error, firstByte)
  }

  get #isEvents(): boolean {
    return this.#options.isStream && this.#status < 300
  }

  #events(): boolean {
    let out = ''
    for (let found = END.exec(this.#held); found; found = END.exec(this.#held)) {
      out += this.#chunks.next(this.#held.slice(0, found.index))
      this.#held = this.#held.slice(found.index + found[0].length)
    }
    return out === '' || this.#send(out)
  }

  #send(text: string): boolean {
    return this.#sink.data(Buffer.from(text))
  }
}
