/**
 * A reply in time: when a quiet stream gets its status line and its comments, how long a client
 * that does not read is waited for, and what a client is told last. Knows nothing of engines,
 * tickets or the ledger.
 */
import { type Clock, GristmillError } from '../base/index.ts'
import type { Refusal } from './engine-errors.ts'
import type { Reply, ReplyHeaders } from './reply.ts'
import type { GatewayOptions } from './types.ts'

const NO_RETRY: ReplyHeaders = ['x-should-retry', 'false']

export interface PacedReplyOptions {
  reply: Reply
  clock: Clock
  limits: Pick<GatewayOptions['limits'], 'slowClientMsMax' | 'commitAfterMs' | 'keepAliveMs'>
  isStream: boolean
  arrivedMonotonicMs: number
  /** Headers of the moment, asked for when the status line goes out. */
  headers(): ReplyHeaders
}

export class PacedReply {
  readonly #options: PacedReplyOptions
  #pausedAtMs: number | undefined
  #spokeAtMs: number

  constructor(options: PacedReplyOptions) {
    this.#options = options
    this.#spokeAtMs = options.arrivedMonotonicMs
  }

  /**
   * Called every 100 ms. Closes the connection of a client that has not read for too long.
   * @param mayBegin true once something may reach the client
   * @returns false where the connection was closed
   */
  tick(nowMs: number, mayBegin: boolean): boolean {
    const { reply, limits, isStream, arrivedMonotonicMs } = this.#options
    if (this.#pausedAtMs !== undefined) {
      if (nowMs - this.#pausedAtMs <= limits.slowClientMsMax) return true
      reply.cut()
      return false
    }
    if (!isStream || !mayBegin) return true
    if (!reply.isBegun) {
      if (nowMs - arrivedMonotonicMs < limits.commitAfterMs) return true
      this.#begin()
    } else if (nowMs - this.#spokeAtMs < limits.keepAliveMs) return true
    reply.keepAlive()
    this.#spokeAtMs = nowMs
    return true
  }

  /**
   * Sends bytes of a stream.
   * @param contentAtMs when their content came
   * @param source told to go on once the client has read what held it up
   * @returns false where the client reads too slowly and nothing more should come before that
   */
  write(bytes: Buffer, contentAtMs: number, source: { resumeEngine(): void }): boolean {
    const { reply, clock } = this.#options
    this.#begin()
    this.#spokeAtMs = Math.max(this.#spokeAtMs, contentAtMs)
    if (reply.write(bytes)) return true
    this.#pausedAtMs = clock.monotonicMs()
    reply.onDrain(() => {
      this.#pausedAtMs = undefined
      source.resumeEngine()
    })
    return false
  }

  /** Ends a stream with these bytes. */
  end(bytes: Buffer): void {
    this.#begin()
    this.#options.reply.end(bytes)
  }

  /** Sends a whole answer. */
  send(body: Buffer, headers: ReplyHeaders): void {
    this.#options.reply.send(200, body, [...this.#options.headers(), ...headers])
  }

  /** The last word of a request that is not answered: our own error, or an engine's passed on. */
  refuse(refusal: Refusal): void {
    const { reply, headers } = this.#options
    if (refusal instanceof GristmillError) {
      // A client that does not read cannot be told.
      if (this.#pausedAtMs !== undefined) reply.cut()
      else reply.refuse(refusal, reply.isBegun ? [] : headers())
    } else if (reply.isBegun) reply.end(Buffer.from(`data: ${refusal.body.toString('utf8')}\n\n`))
    else reply.send(refusal.status, refusal.body, [...headers(), ...NO_RETRY])
  }

  #begin(): void {
    const { reply, headers } = this.#options
    if (!reply.isBegun) reply.beginStream(headers())
  }
}
