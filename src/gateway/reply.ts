/**
 * The client's side of one request: its status line, its events, its errors. Knows nothing of
 * engines or tickets; what is written after the end is dropped.
 */
import type { ServerResponse } from 'node:http'
import {
  type ErrorShape,
  errorHeaders,
  type GristmillError,
  type ServiceClass,
} from '../base/index.ts'
import type { Course } from './course.ts'

const KEEP_ALIVE = ': keep-alive\n\n'

/** Names and values in turns, as they are written. */
export type ReplyHeaders = readonly (string | number)[]

/**
 * What every answer says of the request's way.
 * @param queueMs null where it has not got an engine
 */
export function answerHeaders(
  serviceClass: ServiceClass,
  queueMs: number | null,
  course?: Course,
): ReplyHeaders {
  const base: ReplyHeaders =
    queueMs === null
      ? ['x-gristmill-class', serviceClass]
      : ['x-gristmill-class', serviceClass, 'x-gristmill-queue-ms', queueMs]
  return course === undefined ? base : [...base, ...course.headers()]
}

/** What a request's life asks of whoever it answers. */
export interface Reply {
  /** True once the status line is out, so that errors can only be events. */
  readonly isBegun: boolean
  /** Sends the head of an event stream. */
  beginStream(headers: ReplyHeaders): void
  keepAlive(): void
  /** @returns false where the client reads too slowly and more should wait for `onDrain` */
  write(bytes: Uint8Array): boolean
  /** Calls back once when everything unsent has gone out. */
  onDrain(run: () => void): void
  /** Ends a stream. */
  end(bytes?: Uint8Array): void
  /** Sends a whole answer. */
  send(status: number, body: Uint8Array, headers: ReplyHeaders): void
  /** Refuses with a real status where that is still possible, else with an error event. */
  refuse(error: GristmillError, headers?: ReplyHeaders): void
  /** Closes the connection in the middle of an answer. */
  cut(): void
}

/** A client at the other end of a connection. */
export class HttpReply implements Reply {
  readonly #response: ServerResponse
  readonly #requestId: string
  readonly #bufferBytesMax: number
  readonly #errors: ErrorShape
  #ended = false

  /**
   * @param bufferBytesMax unsent bytes above which `write` asks for a pause
   * @param errors how the client's wire tells errors
   */
  constructor(
    response: ServerResponse,
    requestId: string,
    bufferBytesMax: number,
    errors: ErrorShape,
  ) {
    this.#response = response
    this.#requestId = requestId
    this.#bufferBytesMax = bufferBytesMax
    this.#errors = errors
  }

  get isBegun(): boolean {
    return this.#response.headersSent
  }

  get isEnded(): boolean {
    return this.#ended
  }

  beginStream(headers: ReplyHeaders): void {
    if (this.#ended || this.#response.headersSent) return
    this.#response.writeHead(200, [
      'content-type',
      'text/event-stream; charset=utf-8',
      'cache-control',
      'no-cache, no-transform',
      'x-accel-buffering',
      'no',
      'x-request-id',
      this.#requestId,
      'x-gristmill-request-id',
      this.#requestId,
      ...headers,
    ])
  }

  keepAlive(): void {
    if (!this.#ended) this.#response.write(KEEP_ALIVE)
  }

  write(bytes: Uint8Array): boolean {
    if (this.#ended) return true
    if (this.#response.write(bytes)) return true
    return this.#response.writableLength < this.#bufferBytesMax
  }

  onDrain(run: () => void): void {
    this.#response.once('drain', run)
  }

  end(bytes?: Uint8Array): void {
    if (this.#ended) return
    this.#ended = true
    if (bytes === undefined) this.#response.end()
    else this.#response.end(bytes)
  }

  send(status: number, body: Uint8Array, headers: ReplyHeaders): void {
    if (this.#ended) return
    this.#ended = true
    this.#response.writeHead(status, [
      'content-type',
      'application/json',
      'content-length',
      body.length,
      'x-request-id',
      this.#requestId,
      'x-gristmill-request-id',
      this.#requestId,
      ...headers,
    ])
    this.#response.end(body)
  }

  refuse(error: GristmillError, headers: ReplyHeaders = []): void {
    if (this.#ended) return
    const { idHeader } = this.#errors
    const text = JSON.stringify(this.#errors.body(error, this.#requestId))
    if (this.#response.headersSent) {
      this.end(Buffer.from(this.#errors.event(text)))
      return
    }
    const all = [...Object.entries(errorHeaders(error)).flat(), ...headers]
    if (idHeader !== null) all.push(idHeader, this.#requestId)
    // What is left of an oversized body is not read.
    if (error.code === 'body_too_large') all.push('connection', 'close')
    this.send(error.status, Buffer.from(text), all)
  }

  cut(): void {
    this.#ended = true
    this.#response.destroy()
  }
}
