/**
 * Requests that no client waits for: lines of batches, and responses in the background. They come
 * in process, are admitted, queued and booked like any other, and hand their answer to whoever
 * stores it. What they are charged follows from what was stored, so a crash between the two cannot
 * make somebody pay twice.
 */
import type { GristmillError, ServiceClass } from '../base/index.ts'
import type { TokenCounts } from '../meter/index.ts'
import type { Principal } from '../tenancy/index.ts'
import type { DoorPath } from './canonical.ts'
import { errorShapeOf, type ReadAtDoor } from './doors.ts'
import type { Reply, ReplyHeaders } from './reply.ts'
import type { Asker } from './standing.ts'
import { noAnswer, type Translation, translatedAnswer } from './translated-reply.ts'
import { parsedObject } from './usage.ts'

/** What a line asks for, as it was read at its door, and on what terms. */
export interface LineRequest extends ReadAtDoor {
  requestId: string
  /** The batch, or the response, that it belongs to. */
  batchId: string
  principal: Principal
  serviceClass: ServiceClass
  /** Who asked, where that was settled when it came; undefined for lines of batches. */
  asker?: Asker
  /** Longest wait for an engine: what is left of its window, milliseconds. */
  waitMsMax: number
  /** True where the window is at risk. */
  urgent: boolean
  /**
   * Called once, when the request has ended and its slot is back. What it stores is charged, what
   * it does not store is not; while it cannot tell which (`unknown`), recovery after the next
   * start will. Must not reject.
   */
  ended(end: LineEnd): Promise<'stored' | 'dropped' | 'unknown'>
}

export interface LineEnd {
  /** The answer or an engine's refusal as a client would have got it; null where `error` says. */
  answer: { status: number; body: Buffer } | null
  error: GristmillError | null
  /** What the answer is charged with once it is stored. */
  usage: TokenCounts
}

/** A line with the place its answer is collected in. */
export interface CollectedLine extends LineRequest {
  reply: LineReply
}

/** A line that waits or runs. */
export interface RunningLine {
  readonly isWaiting: boolean
  /** The window is at risk now: goes before other background work, keeping its place in line. */
  hurry(): void
  /** Ends it without an answer; nothing happens where it has ended. */
  cut(): void
}

/** Keeps what a client would have been sent. */
export class LineReply implements Reply {
  readonly isBegun: boolean = false
  answer: LineEnd['answer'] = null
  error: GristmillError | null = null
  readonly #translation: Translation | undefined

  /** @param translation into the wire of the line, where that is not the engine's */
  constructor(translation?: Translation) {
    this.#translation = translation
  }

  send(status: number, body: Uint8Array, _headers: ReplyHeaders): void {
    const own = Buffer.from(body.buffer, body.byteOffset, body.length)
    const answer = this.#translation
      ? translatedAnswer(this.#translation, status, own)
      : // One that cannot be read would make the whole file unreadable.
        parsedObject(own.toString('utf8')) && own
    if (answer === null) this.error = noAnswer()
    else this.answer = { status, body: answer }
  }

  refuse(error: GristmillError): void {
    this.error = error
  }

  // Lines are never streamed to anybody.
  beginStream(): void {}
  keepAlive(): void {}
  write(): boolean {
    return true
  }
  onDrain(): void {}
  end(): void {}
  cut(): void {}
}

/** An error of ours as the answer that a client would have got. */
export function refusedAnswer(error: GristmillError, requestId: string, door: DoorPath) {
  const body = Buffer.from(JSON.stringify(errorShapeOf(door, {}).body(error, requestId)))
  return { status: error.status, body }
}
