/** Answers on tape: the front of this folder, which the gateway asks where a request wants it. */
import type { IncomingHttpHeaders } from 'node:http'
import type { Principal } from '../../tenancy/index.ts'
import { Attempts, IDEMPOTENCY_KEY } from './attempts.ts'
import type { KeptAnswers } from './kept-answers.ts'
import { type Asked, Recording, type RecordingServices } from './recording.ts'
import { CACHE_HEADER, ResponseCache, type ResponseCacheOptions } from './response-cache.ts'

export class Recordings {
  readonly #services: RecordingServices
  readonly #kept: KeptAnswers

  constructor(options: ResponseCacheOptions, kept: KeptAnswers) {
    this.#kept = kept
    const attempts = new Attempts(options, kept)
    this.#services = { options, attempts, cache: new ResponseCache(options, kept) }
  }

  /** True for requests that have anything to do with this. */
  areWanted(headers: IncomingHttpHeaders, { policy }: Principal): boolean {
    return (
      policy.responseCache ||
      headers[IDEMPOTENCY_KEY] !== undefined ||
      headers[CACHE_HEADER] !== undefined
    )
  }

  /** @throws GristmillError `invalid_value` */
  of(asked: Asked): Recording {
    return new Recording(this.#services, asked)
  }

  /** To be called now and then. */
  forgetOld(): void {
    this.#kept.forgetOld()
  }

  /** Resolves when every hit has been handed to the ledger. */
  settled(): Promise<void> {
    return this.#services.cache.settled()
  }
}
