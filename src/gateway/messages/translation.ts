/** One answer in the words of the Messages wire, streamed or whole. */
import { anthropicErrors, type GristmillError, type ServiceClass } from '../../base/index.ts'
import type { CanonicalRequest } from '../canonical.ts'
import type { ReplyHeaders } from '../reply.ts'
import type { Translation } from '../translated-reply.ts'
import { messageOfAnswer } from './answer.ts'
import type { AnswerFrame } from './ending.ts'
import { MessageEvents } from './events.ts'
import { refusalBody } from './refusal.ts'

export class MessagesTranslation implements Translation {
  readonly headers: ReplyHeaders
  readonly #requestId: string
  readonly #frame: AnswerFrame
  readonly #events: MessageEvents

  constructor(request: CanonicalRequest, serviceClass: ServiceClass, requestId: string) {
    const { model, estimatedInputTokens, outputTokensAtMost, fields } = request
    this.#requestId = requestId
    this.#frame = {
      id: `msg_${requestId.replace(/^req_/, '')}`,
      model,
      serviceClass,
      estimatedInputTokens,
      outputTokensMax: outputTokensAtMost ?? 0,
      stops: (fields.stop as string[] | undefined) ?? [],
    }
    this.#events = new MessageEvents(this.#frame)
    this.headers = ['request-id', requestId]
  }

  next(text: string): string {
    return this.#events.next(text)
  }

  ping(): string {
    return this.#events.ping()
  }

  failure(error: GristmillError): string {
    return anthropicErrors.event(JSON.stringify(anthropicErrors.body(error, this.#requestId)))
  }

  answer(status: number, body: Buffer): object | null {
    return status === 200
      ? messageOfAnswer(body, this.#frame)
      : refusalBody(status, body, this.#requestId)
  }
}
