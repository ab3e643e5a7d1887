/**
 * One request that names an `Idempotency-Key` or may use the response cache: it is answered by what
 * is there already, or runs with its answer on a tape for those that come after it.
 */
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { GristmillError } from '../../base/index.ts'
import type { Principal } from '../../tenancy/index.ts'
import type { CanonicalRequest } from '../canonical.ts'
import type { Guarding } from '../guards/before.ts'
import type { LifeEnd } from '../life-types.ts'
import type { Reply } from '../reply.ts'
import type { RequestLife } from '../request-life.ts'
import type { Standing } from '../standing.ts'
import type { GatewayOptions } from '../types.ts'
import { type Attempts, IDEMPOTENCY_KEY, keyOf } from './attempts.ts'
import type { KeptAnswer } from './kept-answers.ts'
import { Recorder } from './recorder.ts'
import type { Place, ResponseCache } from './response-cache.ts'

/** A request as it came. */
export interface Asked {
  request: IncomingMessage
  response: ServerResponse
  reply: Reply
  principal: Principal
  requestId: string
  path: string
  body: Buffer
}

export type RecordingOptions = Pick<GatewayOptions, 'clock' | 'logger' | 'limits'>

export interface RecordingServices {
  options: RecordingOptions
  attempts: Attempts
  cache: ResponseCache
}

export class Recording {
  readonly #services: RecordingServices
  readonly #asked: Asked
  /** What its repetitions have in common; null where it names no key. */
  readonly #key: string | null
  readonly #bodyDigest: string
  #place: Place | null = null
  #recorder: Recorder | null = null
  #life: Pick<RequestLife, 'cut'> | null = null

  /** @throws GristmillError `invalid_value` */
  constructor(services: RecordingServices, asked: Asked) {
    this.#services = services
    this.#asked = asked
    this.#key = asked.request.headers[IDEMPOTENCY_KEY] === undefined ? null : keyOf(asked)
    this.#bodyDigest = createHash('sha256').update(asked.body).digest('base64')
  }

  /**
   * Answers it where another one of its key ran before or runs.
   * @throws GristmillError `idempotency_key_reused`
   */
  isRepetition(): boolean {
    if (this.#key === null) return false
    return this.#services.attempts.isAnswered(this.#key, this.#asked, this.#bodyDigest)
  }

  /**
   * Answers it where the cache can.
   * @throws GristmillError as for any request: `model_not_found`, `no_target`, …
   */
  isHit(request: CanonicalRequest, standing: Standing, guarding: Guarding | null): boolean {
    const { cache, options } = this.#services
    this.#place = cache.placeOf(request, this.#asked, standing, this.#bodyDigest, guarding)
    if (this.#place === null && this.#key === null) return false
    this.#recorder = new Recorder(options.limits.answerBytesMax, () => this.#tooLarge())
    if (this.#place === null) return false
    const hit = cache.find(this.#place)
    if (hit === undefined) {
      this.#recorder.headers = ['x-gristmill-cache', 'miss']
      return false
    }
    this.begun(null)
    void cache.answer(hit, this.#place, this.#asked, this.#recorder).then((isGood) => {
      if (this.#key === null) return
      const { requestId, principal } = this.#asked
      const { tape } = this.#recorder ?? hit
      const answer = isGood ? { ...hit, requestId, bodyDigest: this.#bodyDigest, tape } : null
      this.#services.attempts.ended(this.#key, principal.tenantId, answer)
    })
    return true
  }

  /** Where its answer is to go. */
  get reply(): Reply {
    return this.#recorder ?? this.#asked.reply
  }

  /** True where it is not ended because its client has gone. */
  get runsOn(): boolean {
    return this.#key !== null
  }

  /** @param life what runs; null where the cache answers */
  begun(life: Pick<RequestLife, 'cut'> | null): void {
    const recorder = this.#recorder
    if (recorder === null) return
    this.#life = life
    const { requestId } = this.#asked
    const { attempts, options } = this.#services
    const bodyDigest = this.#bodyDigest
    if (this.#key !== null) attempts.begun(this.#key, { requestId, bodyDigest, recorder })
    recorder.listen(this.#asked, [], options)
  }

  /** Keeps its answer, if it is a good one. */
  ended({ reason, usage }: LifeEnd): void {
    // Its last words may wait until the response that they tell of is kept.
    if (reason === 'done') this.#recorder?.whenOver((isGood) => this.#over(isGood, usage))
    else this.#over(false, usage)
  }

  #over(isGood: boolean, usage: LifeEnd['usage']): void {
    if (this.#recorder === null) return
    const { requestId, principal } = this.#asked
    const { tape } = this.#recorder
    const bodyDigest = this.#bodyDigest
    const answer: KeptAnswer | null = isGood
      ? {
          requestId,
          bodyDigest,
          tape,
          route: this.#place?.route,
          guards: this.#place?.guarding?.set,
          usage,
        }
      : null
    if (this.#key !== null) this.#services.attempts.ended(this.#key, principal.tenantId, answer)
    if (this.#place !== null && answer !== null) this.#services.cache.keep(this.#place, answer)
  }

  #tooLarge(): void {
    const reason = `its answer has more than ${this.#services.options.limits.answerBytesMax} bytes`
    this.#life?.cut('engine_failed', new GristmillError('engine_failed', { reason }))
  }
}
