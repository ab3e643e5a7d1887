/**
 * Who may come in at all, whatever is asked: known paths, while the gateway is open and has room,
 * and no more of a key than it may have waiting.
 */
import type { IncomingMessage } from 'node:http'
import { GristmillError, type Limits, type Roster } from '../base/index.ts'
import type { Principal } from '../tenancy/index.ts'
import type { Arrival } from './admission.ts'
import { POST_PATHS } from './doors.ts'
import type { RequestLife } from './request-life.ts'
import type { RequestLedger } from './types.ts'

const SHUTDOWN_RETRY_MS = 2000
const BUSY_RETRY_MS = 1000

export const shuttingDown = () =>
  new GristmillError('shutting_down', {}, { retryAfterMs: SHUTDOWN_RETRY_MS })

type Came = Pick<Arrival, 'principal' | 'arrivedMonotonicMs'>

export class Entrance {
  /** Requests whose connection is open. */
  open = 0
  /** True once the gateway takes nothing new. */
  isClosed = false
  readonly #ledger: Pick<RequestLedger, 'healthy'>
  readonly #limits: Pick<Limits, 'streamsMax'>
  readonly #live: Roster<RequestLife>
  /** When keys were revoked that end what they have begun. */
  readonly #revokedAtMs = new Map<string, number>()

  /** @param live requests that wait or run */
  constructor(
    ledger: Pick<RequestLedger, 'healthy'>,
    limits: Pick<Limits, 'streamsMax'>,
    live: Roster<RequestLife>,
  ) {
    this.#ledger = ledger
    this.#limits = limits
    this.#live = live
  }

  /** @throws GristmillError `unknown_path`, `method_not_allowed`, `too_many_streams`, … */
  mayEnter(request: IncomingMessage, path: string): void {
    const { method = '' } = request
    if (!POST_PATHS.has(path)) throw new GristmillError('unknown_path', { method, path })
    if (method !== 'POST') {
      throw new GristmillError('method_not_allowed', { method, path, allowed: 'POST' })
    }
    const { streamsMax } = this.#limits
    if (this.open > streamsMax) {
      throw new GristmillError('too_many_streams', { streamsMax }, { retryAfterMs: BUSY_RETRY_MS })
    }
    this.mayStart()
  }

  /** @throws GristmillError `shutting_down`, `ledger_unavailable` */
  mayStart(): void {
    if (this.isClosed) throw shuttingDown()
    if (!this.#ledger.healthy()) {
      throw new GristmillError('ledger_unavailable', {}, { retryAfterMs: SHUTDOWN_RETRY_MS })
    }
  }

  /** What came with the key before this moment must not go on. */
  revoked(keyId: string, nowMs: number): void {
    this.#revokedAtMs.set(keyId, nowMs)
  }

  /** To be called now and then: nothing waits any more that came before this moment. */
  forgetRevoked(beforeMs: number): void {
    for (const [keyId, atMs] of this.#revokedAtMs) {
      if (atMs < beforeMs) this.#revokedAtMs.delete(keyId)
    }
  }

  /**
   * For what has waited for a guard or a budget since it came.
   * @throws GristmillError `key_revoked`, or as `mayStart`
   */
  mayGoOn({ principal, arrivedMonotonicMs }: Came): void {
    this.mayStart()
    const revokedAtMs = this.#revokedAtMs.get(principal.keyId) ?? Number.NEGATIVE_INFINITY
    if (revokedAtMs >= arrivedMonotonicMs) throw new GristmillError('key_revoked')
  }

  /**
   * A key's own bound on waiting requests; the tenant's is the scheduler's business.
   * @throws GristmillError `queue_full`
   */
  mayQueue(principal: Principal): void {
    const { queueDepthMax } = principal.policy.keyLimits
    if (queueDepthMax === null) return
    let waiting = 0
    this.#live.forEach((life) => {
      const { line, principal: other } = life.options
      if (life.isWaiting && line === null && other.keyId === principal.keyId) waiting++
    })
    if (waiting < queueDepthMax) return
    const details = { tenant: principal.tenantName, queueDepthMax }
    throw new GristmillError('queue_full', details, { retryAfterMs: BUSY_RETRY_MS })
  }
}
