/**
 * `Idempotency-Key`: of all requests with the same key, from the same API key at the same door, the
 * first one runs and all get its answer, those that come while it runs and those that come later.
 */
import { GristmillError } from '../../base/index.ts'
import { invalid } from '../canonical.ts'
import type { KeptAnswer, KeptAnswers } from './kept-answers.ts'
import { Listener } from './listener.ts'
import type { Recorder } from './recorder.ts'
import type { Asked, RecordingOptions } from './recording.ts'

export const IDEMPOTENCY_KEY = 'idempotency-key'
const KEY_LENGTH_MAX = 255
const REPLAYED = 'x-gristmill-replayed'

/** The first request of a key while it runs. */
interface Attempt {
  requestId: string
  bodyDigest: string
  recorder: Recorder
}

export class Attempts {
  readonly #options: RecordingOptions
  readonly #kept: KeptAnswers
  readonly #running = new Map<string, Attempt>()

  constructor(options: RecordingOptions, kept: KeptAnswers) {
    this.#options = options
    this.#kept = kept
  }

  /**
   * Lets the first request of the key answer.
   * @param key as `keyOf` gives it
   * @returns false where this one is the first
   * @throws GristmillError `idempotency_key_reused`
   */
  isAnswered(key: string, asked: Asked, bodyDigest: string): boolean {
    const { reply, requestId, principal } = asked
    const running = this.#running.get(key)
    const kept = this.#kept.find(principal.tenantId, key)
    const first = running ?? kept
    if (first === undefined) return false
    if (first.bodyDigest !== bodyDigest) throw new GristmillError('idempotency_key_reused')
    const replayOf = first.requestId
    this.#options.logger.info({ requestId, keyId: principal.keyId, replayOf }, 'answered again')
    const headers = [REPLAYED, replayOf]
    if (running !== undefined) running.recorder.listen(asked, headers, this.#options)
    else if (kept !== undefined) {
      new Listener(kept.tape, { reply, headers, ...this.#options }).advance()
    }
    return true
  }

  /** The first request of a key runs: what comes until it has ended takes part in it. */
  begun(key: string, attempt: Attempt): void {
    this.#running.set(key, attempt)
  }

  /** @param answer what is to be kept; null lets the next request of the key be a first one */
  ended(key: string, tenantId: string, answer: KeptAnswer | null): void {
    this.#running.delete(key)
    if (answer === null) return
    this.#kept.keep(tenantId, key, answer, this.#options.limits.idempotencyMsMax)
  }
}

/** @throws GristmillError `invalid_value` */
export function keyOf({ request, principal, path }: Asked): string {
  const { tenantId, projectId, keyId } = principal
  const key = request.headers[IDEMPOTENCY_KEY]
  if (typeof key !== 'string' || key === '' || key.length > KEY_LENGTH_MAX) {
    throw invalid(IDEMPOTENCY_KEY, `it must have 1 to ${KEY_LENGTH_MAX} characters`)
  }
  // People at the console have one key name for all tenants.
  return `attempt ${tenantId} ${projectId} ${keyId} ${path} ${key}`
}
