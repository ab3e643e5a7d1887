/**
 * `Idempotency-Key`: of all requests with the same key, from the same API key at the same door, the
 * first one runs and all get its answer, those that come while it runs and those that come later.
 */
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Clock, GristmillError, type Limits, type Logger } from '../../base/index.ts'
import type { Principal } from '../../tenancy/index.ts'
import { invalid } from '../canonical.ts'
import type { LifeEnd } from '../life-types.ts'
import type { HttpReply } from '../reply.ts'
import { type KeptAnswer, KeptAnswers } from './kept-answers.ts'
import { Listener } from './listener.ts'
import { Recorder } from './recorder.ts'

export const IDEMPOTENCY_KEY = 'idempotency-key'
const KEY_LENGTH_MAX = 255

/** A request that names a key. */
export interface KeyedRequest {
  request: IncomingMessage
  response: ServerResponse
  reply: HttpReply
  principal: Principal
  requestId: string
  path: string
  body: Buffer
}

/** The first request of a key. It runs to its end, whoever still listens. */
export interface Attempt {
  asked: KeyedRequest
  key: string
  bodyDigest: string
  recorder: Recorder
  /** Ends it early. */
  cut: (error: GristmillError) => void
}

interface FirstAnswer extends KeptAnswer {
  bodyDigest: string
}

export interface AttemptsOptions {
  clock: Clock
  logger: Logger
  limits: Limits
}

export class Attempts {
  readonly #options: AttemptsOptions
  readonly #running = new Map<string, Attempt>()
  readonly #kept: KeptAnswers<FirstAnswer>

  constructor(options: AttemptsOptions) {
    this.#options = options
    this.#kept = new KeptAnswers(options.clock, options.limits.keptBytesMax)
  }

  /** Bytes of the answers that are kept. */
  get keptBytes(): number {
    return this.#kept.bytes
  }

  /**
   * @returns the first attempt of its key, to be begun, or null where an earlier one answers
   * @throws GristmillError `invalid_value`, `idempotency_key_reused`
   */
  of(asked: KeyedRequest): Attempt | null {
    const key = keyOf(asked)
    const bodyDigest = createHash('sha256').update(asked.body).digest('base64')
    const running = this.#running.get(key)
    const kept = running === undefined ? this.#kept.find(asked.principal.tenantId, key) : undefined
    const before = running ?? kept
    if (before === undefined) return this.#first(asked, key, bodyDigest)
    if (before.bodyDigest !== bodyDigest) throw new GristmillError('idempotency_key_reused')
    const replayOf = kept?.requestId ?? running?.asked.requestId ?? ''
    const { requestId, principal } = asked
    this.#options.logger.info({ requestId, keyId: principal.keyId, replayOf }, 'answered again')
    const headers = ['x-gristmill-replayed', replayOf]
    if (running !== undefined) this.#listen(running.recorder, asked, headers)
    else if (kept !== undefined) new Listener(kept.tape, this.#listening(asked, headers)).advance()
    return null
  }

  #first(asked: KeyedRequest, key: string, bodyDigest: string): Attempt {
    const { answerBytesMax: maxBytes } = this.#options.limits
    const recorder = new Recorder(maxBytes, () => {
      const reason = `its answer has more than ${maxBytes} bytes`
      attempt.cut(new GristmillError('engine_failed', { reason }))
    })
    const attempt: Attempt = { asked, key, bodyDigest, recorder, cut: () => {} }
    return attempt
  }

  /** It runs now: what comes with its key until it has ended gets its answer. */
  begun(attempt: Attempt, cut: Attempt['cut']): void {
    attempt.cut = cut
    this.#running.set(attempt.key, attempt)
    this.#listen(attempt.recorder, attempt.asked, [])
  }

  /** Keeps a good answer; after anything else the next request of the key is a first one again. */
  ended(attempt: Attempt, { reason }: LifeEnd): void {
    const { asked, key, bodyDigest, recorder } = attempt
    this.#running.delete(key)
    const { tape } = recorder
    if (reason !== 'done' || !tape.isComplete) return
    const answer = { requestId: asked.requestId, tape, bodyDigest }
    this.#kept.keep(asked.principal.tenantId, key, answer, this.#options.limits.idempotencyMsMax)
  }

  /** To be called now and then. */
  forgetOld(): void {
    this.#kept.forgetOld()
  }

  #listen(recorder: Recorder, asked: KeyedRequest, headers: readonly string[]): void {
    const listener = new Listener(recorder.tape, this.#listening(asked, headers))
    recorder.add(listener)
    asked.response.on('close', () => recorder.remove(listener))
  }

  #listening({ reply }: KeyedRequest, headers: readonly string[]) {
    const { clock, limits } = this.#options
    return { reply, headers, clock, slowMsMax: limits.slowClientMsMax }
  }
}

/** @throws GristmillError `invalid_value` */
function keyOf({ request, principal, path }: KeyedRequest): string {
  const key = request.headers[IDEMPOTENCY_KEY]
  if (typeof key !== 'string' || key === '' || key.length > KEY_LENGTH_MAX) {
    throw invalid(IDEMPOTENCY_KEY, `it must have 1 to ${KEY_LENGTH_MAX} characters`)
  }
  return `${principal.keyId} ${path} ${key}`
}
