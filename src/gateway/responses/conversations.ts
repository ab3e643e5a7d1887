/**
 * Responses of tenants that keep them: what was said before is put in front of what is said, and
 * the answer is kept before its client knows that it is complete.
 */
import { z } from 'zod'
import { checked, type Limits, type Logger, type ServiceClass } from '../../base/index.ts'
import type { Principal } from '../../tenancy/index.ts'
import type { Arrival } from '../admission.ts'
import { unsupported } from '../body-part.ts'
import { invalid, parseObject } from '../canonical.ts'
import type { ReadAtDoor } from '../doors.ts'
import { answerHeaders } from '../reply.ts'
import type { Standing } from '../standing.ts'
import type { ResponseArchive } from '../types.ts'
import { responsesReferred, wholeInput } from './items.ts'
import { type ResponsesRequest, readResponses } from './request.ts'
import type { Keeping } from './response.ts'
import { ResponsesTranslation } from './translation.ts'

export interface ConversationsOptions {
  archive: ResponseArchive
  limits: Limits
  logger: Logger
}

const links = z.object({
  // Nothing has such a name, and the database cannot even be asked.
  previous_response_id: z
    .string()
    .regex(/^[^\0]*$/, { error: 'it must not have the character NUL' })
    .nullish(),
  store: z.boolean().nullish(),
  background: z.boolean().nullish(),
  stream: z.boolean().nullish(),
})

/** A request, and where it goes where it does not run now. */
export interface Conversed extends ReadAtDoor {
  /** Queues it for the background and answers with what it is then. */
  queue?: (standing: Standing, came: Arrival) => Promise<void>
}

/** A response that waits in the background. */
export interface QueuedBody {
  id: string
  body: Buffer
  createdAtMs: number
}

export class Conversations {
  readonly #options: ConversationsOptions
  readonly #keeping = new Set<Promise<boolean>>()

  constructor(options: ConversationsOptions) {
    this.#options = options
  }

  /**
   * Reads the body of a request.
   * @throws GristmillError what is wrong with it; `previous_response_not_found`
   */
  async read(body: Buffer, principal: Principal): Promise<Conversed> {
    const asked = parseObject(body)
    const keeping = keepingOf(asked)
    const read = await this.#read(asked, principal, keeping)
    if (keeping.isBackground) {
      const queue = (standing: Standing, came: Arrival) => this.#queue(read, body, standing, came)
      return { request: read.canonical, queue }
    }
    return {
      request: read.canonical,
      translate: (serviceClass, requestId, nowMs) => {
        const translation = new ResponsesTranslation(read, serviceClass, requestId, nowMs)
        const keep = () => this.#keep(translation, principal, keeping, nowMs, body)
        const isWhole = () => translation.whole !== null
        if (keeping.isKept) translation.keeper = { isWhole, keep }
        return translation
      },
    }
  }

  /**
   * Reads one that was queued, whose turn has come.
   * @throws GristmillError as when it came, and `previous_response_not_found`
   */
  async readQueued({ id, body, createdAtMs }: QueuedBody, principal: Principal) {
    const asked = parseObject(body)
    const read = await this.#read(asked, principal, keepingOf(asked))
    const translate = (serviceClass: ServiceClass) =>
      new ResponsesTranslation(read, serviceClass, id.replace(/^resp_/, ''), createdAtMs)
    return { request: read.canonical, translate }
  }

  /** Resolves when nothing is being kept any more. */
  async settled(): Promise<void> {
    while (this.#keeping.size > 0) await Promise.all(this.#keeping)
  }

  async #read(asked: Record<string, unknown>, principal: Principal, keeping: Keeping) {
    const input = await this.#inputOf(asked.input, principal, keeping)
    return readResponses({ ...asked, input }, this.#options.limits, keeping)
  }

  async #queue(
    read: ResponsesRequest,
    request: Buffer,
    { serviceClass, endUser, sessionId, tags }: Standing,
    { principal, requestId, reply, recording, arrivedAtMs: createdAtMs }: Arrival,
  ): Promise<void> {
    if (recording?.runsOn) {
      throw unsupported('background', 'a request with an Idempotency-Key is answered at once')
    }
    const translation = new ResponsesTranslation(read, serviceClass, requestId, createdAtMs)
    const answer = translation.queued()
    const { previousId } = read.keeping
    const asker = { endUser, sessionId, tags }
    const response = { id: String(answer.id), previousId, createdAtMs, request, answer }
    await this.#options.archive.enqueue(principal, { ...response, serviceClass, asker })
    reply.send(200, Buffer.from(JSON.stringify(answer)), answerHeaders(serviceClass, null))
  }

  async #inputOf(input: unknown, principal: Principal, { previousId }: Keeping): Promise<unknown> {
    const { archive } = this.#options
    const history = previousId === null ? [] : await archive.history(principal, previousId)
    const referred = responsesReferred(history, input)
    if (previousId === null && referred.length === 0) return input
    const found = referred.length === 0 ? [] : await archive.items(principal, referred)
    return wholeInput(history, input, found)
  }

  #keep(
    { whole }: ResponsesTranslation,
    principal: Principal,
    { previousId }: Keeping,
    createdAtMs: number,
    request: Buffer,
  ): Promise<boolean> {
    const { archive, logger } = this.#options
    const answer = whole ?? {}
    const id = String(answer.id)
    const response = { id, previousId, createdAtMs, request, answer }
    const work = archive.keep(principal, response).then(
      () => true,
      (error: unknown) => {
        // The answer is there and paid for, so it goes out, and says that it is not kept.
        logger.warn({ err: error, responseId: id }, 'a response could not be kept')
        return false
      },
    )
    const keeping = work.finally(() => this.#keeping.delete(keeping))
    this.#keeping.add(keeping)
    return keeping
  }
}

/** @throws GristmillError `invalid_value`, `unsupported_parameter` */
function keepingOf(asked: Record<string, unknown>): Keeping {
  const given = checked(links, asked)
  const isKept = given.store !== false
  const isBackground = given.background === true
  if (isBackground && !isKept) {
    throw invalid('background', 'a response in the background is kept; leave out store: false')
  }
  if (isBackground && given.stream === true) {
    throw unsupported('stream', 'a response in the background is read whole, when it has ended')
  }
  return { isKept, previousId: given.previous_response_id ?? null, isBackground }
}
