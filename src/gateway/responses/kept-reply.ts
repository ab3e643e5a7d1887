/**
 * A reply whose last words wait until the response they tell of is kept, so that a client can go on
 * from it as soon as it knows that it is complete.
 */
import type { GristmillError } from '../../base/index.ts'
import type { Reply, ReplyHeaders } from '../reply.ts'

/** A response on its way to where it is kept. */
export interface Keeper {
  /** True once the response is whole. */
  isWhole(): boolean
  /** Resolves with whether it is kept; does not reject. */
  keep(): Promise<boolean>
}

export class KeptReply implements Reply {
  readonly #reply: Reply
  readonly #keeper: Keeper
  #held: Uint8Array[] = []

  constructor(reply: Reply, keeper: Keeper) {
    this.#reply = reply
    this.#keeper = keeper
  }

  get isBegun(): boolean {
    return this.#reply.isBegun
  }

  beginStream(headers: ReplyHeaders): void {
    this.#reply.beginStream(headers)
  }

  keepAlive(): void {
    this.#reply.keepAlive()
  }

  write(bytes: Uint8Array): boolean {
    if (!this.#keeper.isWhole()) return this.#reply.write(bytes)
    this.#held.push(bytes)
    return true
  }

  onDrain(run: () => void): void {
    this.#reply.onDrain(run)
  }

  end(bytes?: Uint8Array): void {
    if (!this.#keeper.isWhole()) {
      this.#reply.end(bytes)
      return
    }
    if (bytes !== undefined) this.#held.push(bytes)
    void this.#keeper.keep().then((isKept) => {
      const last = Buffer.concat(this.#held)
      this.#reply.end(isKept ? last : saidNotKept(last))
    })
  }

  send(status: number, body: Uint8Array, headers: ReplyHeaders): void {
    if (!this.#keeper.isWhole()) {
      this.#reply.send(status, body, headers)
      return
    }
    void this.#keeper.keep().then((isKept) => {
      this.#reply.send(status, isKept ? body : saidNotKept(body), headers)
    })
  }

  refuse(error: GristmillError, headers?: ReplyHeaders): void {
    this.#reply.refuse(error, headers)
  }

  cut(): void {
    this.#reply.cut()
  }
}

const KEPT = Buffer.from('"store":true')
const NOT_KEPT = Buffer.from('"store":false')

/** Nothing that a client or an engine says comes after our field, so it is the last. */
function saidNotKept(bytes: Uint8Array): Uint8Array {
  const at = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).lastIndexOf(KEPT)
  if (at === -1) return bytes
  return Buffer.concat([bytes.subarray(0, at), NOT_KEPT, bytes.subarray(at + KEPT.length)])
}
