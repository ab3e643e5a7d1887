/**
 * A reply that is put on a tape, from which any number of clients get it, whenever they come and
 * however fast they read. The request that is answered knows nothing of them.
 */
import type { ServerResponse } from 'node:http'
import type { GristmillError } from '../../base/index.ts'
import type { Reply, ReplyHeaders } from '../reply.ts'
import { Listener, type ListenerOptions } from './listener.ts'
import { newTape } from './tape.ts'

export class Recorder implements Reply {
  readonly tape = newTape()
  /** Headers that the answer has beside its own. */
  headers: ReplyHeaders = []
  readonly #listeners = new Set<Listener>()
  readonly #bytesMax: number
  readonly #onTooLarge: () => void
  #bytes = 0
  /** True once the clients have been told that there is no answer. */
  #isRefused = false
  #onOver: ((isWhole: boolean) => void) | undefined

  /**
   * @param bytesMax what a tape may have
   * @param onTooLarge called when a stream has more
   */
  constructor(bytesMax: number, onTooLarge: () => void) {
    this.#bytesMax = bytesMax
    this.#onTooLarge = onTooLarge
  }

  /** Calls back with whether there is a whole answer, once that is sure. */
  whenOver(run: (isWhole: boolean) => void): void {
    if (this.tape.isComplete || this.#isRefused) run(this.tape.isComplete)
    else this.#onOver = run
  }

  add(listener: Listener): void {
    this.#listeners.add(listener)
    listener.advance()
  }

  /** @param headers that this client gets beside those of the tape */
  listen(
    { reply, response }: { reply: Reply; response: ServerResponse },
    headers: ReplyHeaders,
    { clock, limits }: Pick<ListenerOptions, 'clock' | 'limits'>,
  ): void {
    const listener = new Listener(this.tape, { reply, headers, clock, limits })
    this.add(listener)
    response.on('close', () => {
      this.#listeners.delete(listener)
      listener.left()
    })
  }

  get isBegun(): boolean {
    return this.tape.headers !== null
  }

  beginStream(headers: ReplyHeaders): void {
    if (this.isBegun) return
    Object.assign(this.tape, { status: 200, headers: this.#with(headers), isStream: true })
    this.#advance()
  }

  keepAlive(): void {
    for (const listener of this.#listeners) listener.keepAlive()
  }

  /** Never asks for a pause: what a client has not read yet is on the tape. */
  write(bytes: Uint8Array): boolean {
    if (this.#isRefused) return true
    this.#bytes += bytes.length
    // A copy, since what an engine sent is a part of a larger buffer.
    this.tape.chunks.push(Buffer.from(bytes))
    this.#advance()
    if (this.#bytes > this.#bytesMax) this.#onTooLarge()
    return true
  }

  /** Not needed, since no pause is asked for. */
  onDrain(): void {}

  end(bytes?: Uint8Array): void {
    if (bytes !== undefined && bytes.length > 0) this.tape.chunks.push(Buffer.from(bytes))
    this.tape.isComplete = true
    this.#advance()
    this.#tellOver()
  }

  send(status: number, body: Uint8Array, headers: ReplyHeaders): void {
    const chunks = [Buffer.from(body.buffer, body.byteOffset, body.length)]
    Object.assign(this.tape, { status, headers: this.#with(headers), chunks, isComplete: true })
    this.#advance()
    this.#tellOver()
  }

  refuse(error: GristmillError, headers?: ReplyHeaders): void {
    this.#isRefused = true
    for (const listener of this.#listeners) listener.refuse(error, headers)
    this.#tellOver()
  }

  cut(): void {
    this.#isRefused = true
    for (const listener of this.#listeners) listener.cut()
    this.#tellOver()
  }

  /** Once: by then another request may run under the same key. */
  #tellOver(): void {
    const tell = this.#onOver
    this.#onOver = undefined
    tell?.(this.tape.isComplete)
  }

  #with(headers: ReplyHeaders): ReplyHeaders {
    return this.headers.length === 0 ? headers : [...headers, ...this.headers]
  }

  #advance(): void {
    for (const listener of this.#listeners) listener.advance()
  }
}
