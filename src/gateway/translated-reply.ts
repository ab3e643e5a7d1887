/** A reply to a client of a wire that engines do not speak: chat events in, the wire's own out. */
import { GristmillError } from '../base/index.ts'
import type { ReadAtDoor } from './doors.ts'
import type { OwnWords } from './messages/own-words.ts'
import type { Reply, ReplyHeaders } from './reply.ts'
import { type Keeper, KeptReply } from './responses/kept-reply.ts'
import type { Standing } from './standing.ts'

/** One answer in the words of a wire. */
export interface Translation {
  /** Headers of the wire's own. */
  readonly headers: ReplyHeaders
  /** Set where the answer is kept before its last words are told. */
  readonly keeper?: Keeper | undefined
  /** @param text whole events of a chat stream; returns what becomes of them, perhaps '' */
  next(text: string): string
  /** A sign of life in a stream that waits. */
  ping(): string
  /** A refusal as the last event of a stream that has begun. */
  failure(error: GristmillError): string
  /** A whole answer, or an engine's refusal in OpenAI's shape; null where it is no JSON object. */
  answer(status: number, body: Buffer): object | null
}

export class TranslatedReply implements Reply {
  readonly #reply: Reply
  readonly #translation: Translation
  readonly #own: OwnWords | undefined

  /** @param own where an engine may answer in the client's own wire */
  constructor(reply: Reply, translation: Translation, own?: OwnWords) {
    this.#reply = reply
    this.#translation = translation
    this.#own = own
  }

  get isBegun(): boolean {
    return this.#reply.isBegun
  }

  beginStream(headers: ReplyHeaders): void {
    this.#reply.beginStream([...headers, ...this.#translation.headers])
  }

  keepAlive(): void {
    this.#reply.write(Buffer.from(this.#translation.ping()))
  }

  write(bytes: Uint8Array): boolean {
    const out = this.#translated(bytes)
    return out.length === 0 || this.#reply.write(out)
  }

  onDrain(run: () => void): void {
    this.#reply.onDrain(run)
  }

  end(bytes?: Uint8Array): void {
    this.#reply.end(bytes && this.#translated(bytes))
  }

  send(status: number, body: Uint8Array, headers: ReplyHeaders): void {
    const answer = this.#own?.isPassing
      ? body
      : translatedAnswer(this.#translation, status, bufferOf(body))
    if (answer === null) this.#reply.refuse(noAnswer())
    else this.#reply.send(status, answer, [...headers, ...this.#translation.headers])
  }

  refuse(error: GristmillError, headers?: ReplyHeaders): void {
    if (this.isBegun) this.#reply.end(Buffer.from(this.#translation.failure(error)))
    else this.#reply.refuse(error, headers)
  }

  cut(): void {
    this.#reply.cut()
  }

  #translated(bytes: Uint8Array): Uint8Array {
    if (this.#own?.isPassing) return bytes
    return Buffer.from(this.#translation.next(bufferOf(bytes).toString('utf8')))
  }
}

/** Answers in the words of the client's wire. */
export function replyAt(
  reply: Reply,
  { request, translate }: ReadAtDoor,
  { serviceClass }: Standing,
  requestId: string,
  arrivedAtMs: number,
): Reply {
  if (translate === undefined) return reply
  const translation = translate(serviceClass, requestId, arrivedAtMs)
  const { keeper } = translation
  const keeping = keeper === undefined ? reply : new KeptReply(reply, keeper)
  return new TranslatedReply(keeping, translation, request.ownWords)
}

/** A whole answer as the client gets it; null where the engine's cannot be read. */
export function translatedAnswer(
  translation: Translation,
  status: number,
  body: Buffer,
): Buffer | null {
  const answer = translation.answer(status, body)
  return answer && Buffer.from(JSON.stringify(answer))
}

/** What is said in the place of an answer that cannot be read. */
export function noAnswer(): GristmillError {
  return new GristmillError('engine_failed', { reason: 'its answer is not a JSON object' })
}

const bufferOf = ({ buffer, byteOffset, length }: Uint8Array) =>
  Buffer.from(buffer, byteOffset, length)
