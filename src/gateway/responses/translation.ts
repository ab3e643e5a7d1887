/** One answer in the words of the Responses wire, streamed or whole. */
import {
  type GristmillError,
  openAiErrorBody,
  type ServiceClass,
  wireTier,
} from '../../base/index.ts'
import { type EngineWords, engineWords, fieldsOf, firstChoice, textOf } from '../engine-words.ts'
import type { ReplyHeaders } from '../reply.ts'
import type { Translation } from '../translated-reply.ts'
import { parsedObject, usageCounts } from '../usage.ts'
import { ResponseEvents } from './events.ts'
import type { Keeper } from './kept-reply.ts'
import type { ResponsesRequest } from './request.ts'
import {
  callItem,
  endOf,
  messageItem,
  type ResponseFrame,
  reasoningItem,
  reasoningPart,
  responseOf,
  type Status,
  textPart,
} from './response.ts'

export class ResponsesTranslation implements Translation {
  readonly headers: ReplyHeaders = []
  keeper: Keeper | undefined
  readonly #requestId: string
  readonly #frame: ResponseFrame
  readonly #events: ResponseEvents
  #answer: Record<string, unknown> | null = null

  constructor(
    request: ResponsesRequest,
    serviceClass: ServiceClass,
    requestId: string,
    nowMs: number,
  ) {
    const { canonical, asked, tools, keeping } = request
    this.#requestId = requestId
    this.#frame = {
      id: requestId.replace(/^req_/, ''),
      model: canonical.model,
      createdAt: Math.floor(nowMs / 1000),
      tier: wireTier(serviceClass),
      asked,
      tools,
      estimatedInputTokens: canonical.estimatedInputTokens,
      keeping,
    }
    this.#events = new ResponseEvents(this.#frame)
  }

  next(text: string): string {
    return this.#events.next(text)
  }

  ping(): string {
    return this.#events.ping()
  }

  failure(error: GristmillError): string {
    return this.#events.failure(openAiErrorBody(error, this.#requestId).error)
  }

  answer(status: number, body: Buffer): object | null {
    const answer = parsedObject(body.toString('utf8'))
    if (answer === null || status !== 200) return answer
    this.#answer = responseOfAnswer(answer, this.#frame)
    return this.#answer
  }

  /** The whole response; null until it is there. */
  get whole(): Record<string, unknown> | null {
    return this.#answer ?? this.#events.whole
  }

  /** The response as long as nobody works on it. */
  queued(): Record<string, unknown> {
    return responseOf(this.#frame, 'queued', [], null)
  }
}

/** A whole answer of chat completions as a response. */
export function responseOfAnswer(
  answer: Record<string, unknown>,
  frame: ResponseFrame,
): Record<string, unknown> {
  const choice = firstChoice(answer) ?? {}
  const { status, reason } = endOf(textOf(choice.finish_reason))
  const words = engineWords(fieldsOf(choice.message))
  const { estimatedInputTokens: inputTokens } = frame
  const usage = usageCounts(answer.usage) ?? { inputTokens, cachedTokens: 0, outputTokens: 0 }
  return responseOf(frame, status, itemsOf(words, status, frame), usage, reason)
}

/** Only the last item can be incomplete. */
function itemsOf({ thinking, text, calls }: EngineWords, end: Status, frame: ResponseFrame) {
  const items: ((id: string, status: Status) => object)[] = []
  if (thinking !== '') {
    items.push((id, status) => reasoningItem(`rs_${id}`, status, [reasoningPart(thinking)]))
  }
  if (text !== '') items.push((id, status) => messageItem(`msg_${id}`, status, [textPart(text)]))
  for (const call of calls) {
    items.push((id, status) => callItem(`fc_${id}`, status, call, frame))
  }
  return items.map((item, i) =>
    item(`${frame.id}_${i}`, i === items.length - 1 ? end : 'completed'),
  )
}
