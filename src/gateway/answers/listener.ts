/** A client that gets its answer from a tape: what is on it at once, the rest as it comes. */
import type { Clock, GristmillError, Limits, Timer } from '../../base/index.ts'
import type { Reply, ReplyHeaders } from '../reply.ts'
import type { Tape } from './tape.ts'

const NOTHING = Buffer.alloc(0)

export interface ListenerOptions {
  reply: Reply
  /** Headers of its own, after those of the tape. */
  headers: ReplyHeaders
  clock: Clock
  limits: Pick<Limits, 'slowClientMsMax'>
}

export class Listener {
  readonly #options: ListenerOptions
  readonly #tape: Tape
  #at = 0
  /** Set while it reads too slowly; closes its connection. */
  #held: Timer | undefined

  constructor(tape: Tape, options: ListenerOptions) {
    this.#options = options
    this.#tape = tape
  }

  /** Sends what has come onto the tape since the last time. */
  advance(): void {
    const { reply, headers } = this.#options
    const tape = this.#tape
    if (tape.headers === null) return
    const all = [...tape.headers, ...headers]
    if (!tape.isStream) {
      reply.send(tape.status, tape.chunks[0] ?? NOTHING, all)
      return
    }
    if (!reply.isBegun) reply.beginStream(all)
    while (this.#held === undefined && this.#at < tape.chunks.length) {
      if (!reply.write(tape.chunks[this.#at++] ?? NOTHING)) this.#hold()
    }
    if (this.#held === undefined && tape.isComplete) reply.end()
  }

  keepAlive(): void {
    const { reply } = this.#options
    if (this.#held === undefined && reply.isBegun) reply.keepAlive()
  }

  /** The last word where there is no answer, or not the whole of one. */
  refuse(error: GristmillError, headers?: ReplyHeaders): void {
    const { reply } = this.#options
    // A client that does not read cannot be told.
    if (this.#held !== undefined) reply.cut()
    else reply.refuse(error, headers)
  }

  cut(): void {
    this.#options.reply.cut()
  }

  /** The client has gone. */
  left(): void {
    this.#held?.cancel()
  }

  #hold(): void {
    const { reply, clock, limits } = this.#options
    this.#held = clock.after(limits.slowClientMsMax, () => reply.cut())
    reply.onDrain(() => {
      this.#held?.cancel()
      this.#held = undefined
      this.advance()
    })
  }
}
