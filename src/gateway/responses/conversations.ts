/**
 * Responses of tenants that keep them: what was said before is put in front of what is said, and
 * the answer is kept before its client knows that it is complete.
 */
import { z } from 'zod'
import { checked, type Limits, type Logger } from '../../base/index.ts'
import type { Principal } from '../../tenancy/index.ts'
import { parseObject } from '../canonical.ts'
import type { ReadAtDoor } from '../doors.ts'
import type { ResponseArchive } from '../types.ts'
import { responsesReferred, wholeInput } from './items.ts'
import type { KeptReply } from './kept-reply.ts'
import { readResponses } from './request.ts'
import type { Keeping } from './response.ts'
import { ResponsesTranslation } from './translation.ts'

export interface ConversationsOptions {
  archive: ResponseArchive
  limits: Limits
  logger: Logger
}

const links = z.object({
  previous_response_id: z.string().nullish(),
  store: z.boolean().nullish(),
})

export class Conversations {
  readonly #options: ConversationsOptions
  readonly #keeping = new Set<Promise<boolean>>()

  constructor(options: ConversationsOptions) {
    this.#options = options
  }

  /**
   * Reads the body of a request.
   * @param reply waits for its answer to be kept
   * @throws GristmillError what is wrong with it; `not_found` where it goes on from nothing
   */
  async read(body: Buffer, principal: Principal, reply: KeptReply): Promise<ReadAtDoor> {
    const asked = parseObject(body)
    const { previous_response_id: previousId = null, store } = checked(links, asked)
    const keeping = { isKept: store !== false, previousId, isBackground: false }
    const input = await this.#inputOf(asked.input, principal, keeping)
    const read = readResponses({ ...asked, input }, this.#options.limits, keeping)
    return {
      request: read.canonical,
      translate: (serviceClass, requestId, nowMs) => {
        const translation = new ResponsesTranslation(read, serviceClass, requestId, nowMs)
        const keep = () => this.#keep(translation, principal, keeping, nowMs, body)
        const isWhole = () => translation.whole !== null
        if (keeping.isKept) reply.waitFor({ isWhole, keep })
        return translation
      },
    }
  }

  /** Resolves when nothing is being kept any more. */
  async settled(): Promise<void> {
    while (this.#keeping.size > 0) await Promise.all(this.#keeping)
  }

  async #inputOf(input: unknown, principal: Principal, { previousId }: Keeping): Promise<unknown> {
    const { archive } = this.#options
    const referred = responsesReferred(input)
    if (previousId === null && referred.length === 0) return input
    const history = previousId === null ? [] : await archive.history(principal, previousId)
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
