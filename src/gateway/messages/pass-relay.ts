/**
 * Carries a stream of the Messages wire from a service to a client of the same wire: every byte as
 * it came. Only the borders of events are looked for, and in two of them the usage.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { EngineFailure, type EngineSink } from '../../engine/index.ts'
import { frameEnd } from '../event-frame.ts'
import { REFUSAL_BYTES_MAX, type RelayOwner } from '../relay.ts'
import { MessageUsage } from './pass-usage.ts'

const NOTHING = Buffer.alloc(0)
/** The type of an event, from its first line or from its data. */
const TYPE = /^(?:event: ?|data: ?\{"type": ?")(\w+)/
const BROKEN_OFF = 'it ended without message_stop'

export class MessagesRelay implements EngineSink {
  readonly #owner: RelayOwner
  readonly #usage = new MessageUsage()
  #status = 0
  #headers: IncomingHttpHeaders = {}
  /** A refusal, or what came before the intent was durable. */
  #held: Buffer[] = []
  #heldBytes = 0
  #tail: Buffer = NOTHING
  #deltas = 0
  #endsWhenDurable = false
  #isOver = false

  constructor(owner: RelayOwner) {
    this.#owner = owner
  }

  head(status: number, headers: IncomingHttpHeaders): void {
    this.#status = status
    this.#headers = headers
  }

  data(chunk: Buffer): boolean {
    if (this.#isOver) return true
    if (this.#status >= 300) {
      if (this.#heldBytes < REFUSAL_BYTES_MAX) this.#hold(chunk)
      return true
    }
    if (this.#owner.isDurable) return this.#forward(chunk)
    if (this.#held.length === 0) this.#owner.whenDurable(() => this.#release())
    this.#hold(chunk)
    return false
  }

  end(): void {
    if (this.#isOver) return
    if (this.#status >= 300) {
      this.#isOver = true
      this.#owner.engineRefused(this.#status, this.#headers, Buffer.concat(this.#held))
    } else if (this.#held.length > 0) this.#endsWhenDurable = true
    else this.#broken(BROKEN_OFF)
  }

  fail(error: Error, hadBytes: boolean): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#owner.engineFailed(error as EngineFailure, hadBytes)
  }

  #hold(chunk: Buffer): void {
    this.#held.push(chunk)
    this.#heldBytes += chunk.length
  }

  #release(): void {
    if (this.#isOver) return
    const held = Buffer.concat(this.#held)
    this.#held = []
    const goesOn = this.#forward(held)
    if (this.#isOver) return
    if (this.#endsWhenDurable) this.#broken(BROKEN_OFF)
    else if (goesOn) this.#owner.resumeEngine()
  }

  /** Passes on the whole events in `chunk`, and what is left once the rest has come. */
  #forward(chunk: Buffer): boolean {
    const bytes = this.#tail.length === 0 ? chunk : Buffer.concat([this.#tail, chunk])
    const before = this.#deltas
    let at = 0
    let last: string | undefined
    for (let end = frameEnd(bytes, 0); end !== -1; end = frameEnd(bytes, at)) {
      last = this.#noted(bytes.toString('latin1', at, end))
      at = end
      if (last === 'message_stop' || last === 'error') break
    }
    if (this.#deltas > before) this.#owner.contentReceived(this.#deltas)
    const whole = bytes.subarray(0, at)
    if (last === 'message_stop') {
      this.#isOver = true
      this.#owner.streamDone(whole, this.#usage.counts)
    } else if (last === 'error') {
      this.#isOver = true
      this.#owner.streamFailed(whole, new EngineFailure('broken', 'it reported an error'))
    } else return this.#goOn(whole, bytes.subarray(at))
    return true
  }

  #goOn(whole: Buffer, tail: Buffer): boolean {
    this.#tail = tail
    if (tail.length > this.#owner.answerBytesMax) {
      this.#broken(`an event has more than ${this.#owner.answerBytesMax} bytes`)
      return true
    }
    return whole.length === 0 || this.#owner.sendEvents(whole)
  }

  /** Notes what an event says of the answer; returns its type. */
  #noted(text: string): string | undefined {
    const type = TYPE.exec(text)?.[1]
    if (type === 'content_block_delta') this.#deltas++
    else if (type === 'message_start' || type === 'message_delta') this.#usage.note(text)
    return type
  }

  #broken(reason: string): void {
    this.#isOver = true
    this.#owner.engineFailed(new EngineFailure('broken', reason), true)
  }
}
