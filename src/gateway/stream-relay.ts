/**
 * Carries an event stream from engine to client. Bytes pass through as they are; only the borders
 * of events are looked for, and the usage event is taken out where the client did not ask for it.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { EngineFailure, type EngineSink } from '../engine/index.ts'
import type { TokenCounts } from '../meter/index.ts'
import { type Frame, FrameReader, frameEnd, payload, withTier } from './event-frame.ts'
import { REFUSAL_BYTES_MAX, type RelayOwner } from './relay.ts'

const DONE = Buffer.from('data: [DONE]\n\n')
const BLANK = Buffer.from('\n\n')
const NOTHING = Buffer.alloc(0)

export class StreamRelay implements EngineSink {
  readonly #owner: RelayOwner
  #status = 0
  #headers: IncomingHttpHeaders = {}
  /** Bytes of a refusal, or what came before the intent was durable. */
  #held: Buffer[] = []
  #heldBytes = 0
  /** The beginning of an event whose end has not come. */
  #tail: Buffer = NOTHING
  readonly #reader = new FrameReader()
  #frames = 0
  #finishes = 0
  #usage: TokenCounts | null = null
  #isFirst = true
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
    else this.#finish()
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
    if (this.#endsWhenDurable) this.#finish()
    else if (goesOn) this.#owner.resumeEngine()
  }

  /** Passes on the whole events in `chunk`. */
  #forward(chunk: Buffer): boolean {
    const bytes = this.#tail.length === 0 ? chunk : Buffer.concat([this.#tail, chunk])
    const framesBefore = this.#frames
    let out: Buffer[] | undefined
    let sentTo = 0
    let at = 0
    while (at < bytes.length) {
      const end = frameEnd(bytes, at)
      if (end === -1) break
      const text = bytes.toString('latin1', at, end)
      const frame = this.#reader.read(text)
      if (frame.kind === 'done' || frame.kind === 'error') {
        if (this.#frames > framesBefore) this.#owner.contentReceived(this.#frames)
        this.#closing(frame, text, [...(out ?? []), bytes.subarray(sentTo, at)])
        return true
      }
      const changed = this.#noted(frame, bytes, at, end, text)
      if (changed !== undefined) {
        out ??= []
        out.push(bytes.subarray(sentTo, at), changed)
        sentTo = end
      }
      at = end
    }
    this.#keepTail(bytes, at)
    if (this.#isOver) return true
    if (this.#frames > framesBefore) this.#owner.contentReceived(this.#frames)
    if (out === undefined) return at === 0 || this.#owner.sendEvents(bytes.subarray(0, at))
    out.push(bytes.subarray(sentTo, at))
    const joined = Buffer.concat(out)
    return joined.length === 0 || this.#owner.sendEvents(joined)
  }

  /** Books an event; returns what goes out in its place, or undefined where it goes as it is. */
  #noted(frame: Frame, bytes: Buffer, at: number, end: number, text: string): Buffer | undefined {
    // The engine's own comments keep a connection open that is not the client's.
    if (frame.kind === 'comment') return NOTHING
    if (frame.hasContent) this.#frames++
    if (frame.finishes) this.#finishes++
    if (frame.usage !== null) this.#usage = frame.usage
    if (frame.isUsageOnly && !this.#owner.includeUsage) return NOTHING
    if (!this.#isFirst && !frame.isUsageOnly) return undefined
    this.#isFirst = false
    return withTier(bytes.subarray(at, end), text, this.#owner.tier)
  }

  #closing(frame: Frame, text: string, out: Buffer[]): void {
    this.#isOver = true
    const last = Buffer.concat(out)
    if (frame.kind === 'done' && this.#finishes > 0) {
      this.#owner.streamDone(Buffer.concat([last, DONE]), this.#usage)
      return
    }
    if (last.length > 0) this.#owner.sendEvents(last)
    if (frame.kind === 'error') this.#broken(REPORTED, wordsOf(text))
    else this.#broken(NO_REASON)
  }

  #keepTail(bytes: Buffer, at: number): void {
    this.#tail = at === bytes.length ? NOTHING : bytes.subarray(at)
    if (this.#tail.length <= this.#owner.answerBytesMax) return
    this.#isOver = true
    this.#broken(`an event has more than ${this.#owner.answerBytesMax} bytes`)
  }

  /** The engine closed the stream without saying that it is done. */
  #finish(): void {
    // Some leave out the last blank line.
    if (this.#tail.length > 0) this.#forward(BLANK)
    if (this.#isOver) return
    this.#isOver = true
    if (this.#finishes > 0) this.#owner.streamDone(DONE, this.#usage)
    else this.#broken(NO_REASON)
  }

  #broken(reason: string, words?: string): void {
    const options = words === undefined ? {} : { words }
    this.#owner.engineFailed(new EngineFailure('broken', reason, options), true)
  }
}

const NO_REASON = 'it ended without a finish reason'
const REPORTED = 'it reported an error'

function wordsOf(text: string): string {
  const error = payload(Buffer.from(text, 'latin1').toString('utf8'))?.error
  const message =
    typeof error === 'object' ? (error as { message?: unknown } | null)?.message : error
  return typeof message === 'string' ? message : REPORTED
}
