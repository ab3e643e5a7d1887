/**
 * Sends what is due to tenants' webhooks, again after growing pauses where it is not acknowledged,
 * and gives up in the end. All of it is in rows, so a restart goes on where it was.
 */
import type { Clock, Logger, Random, Timer } from '../base/index.ts'
import type { OutboundAddresses } from '../host/index.ts'
import { POST_MS_MAX, postWebhook } from './webhook-post.ts'
import type { Claim, WebhookStore } from './webhook-store.ts'

export interface WebhookSenderOptions {
  store: WebhookStore
  targets: OutboundAddresses
  clock: Clock
  random: Random
  logger: Logger
}

const PERIOD_MS = 2000
/** One at a time to each receiver, so that a slow one holds up nobody but itself. */
const AT_ONCE = 32
/** Longer than an attempt takes, so that two gateways never make the same one. */
const LEASE_MS = 4 * POST_MS_MAX
const MINUTE_MS = 60_000
/** Pauses after the first, second, … attempt; after the last there is none. */
const PAUSES_MS = [5000, 30_000, 2 * MINUTE_MS, 10 * MINUTE_MS, 60 * MINUTE_MS, 360 * MINUTE_MS]
const REASON_LENGTH_MAX = 300
/** After their end. */
export const DELIVERIES_KEPT_MS = 30 * 24 * 60 * MINUTE_MS

export class WebhookSender {
  readonly #options: WebhookSenderOptions
  readonly #timer: Timer
  /** Attempts under way, by tenant. */
  readonly #busy = new Map<string, Promise<void>>()
  #looking: Promise<void> | undefined
  #isClosed = false

  /** Begins to look for what is due every other second, and whenever an attempt has ended. */
  constructor(options: WebhookSenderOptions) {
    this.#options = options
    this.#timer = options.clock.every(PERIOD_MS, () => {
      this.#look()
      void this.#forgetOld()
    })
  }

  /** Attempts everything that is due now. @returns how many attempts were made */
  async sendDue(): Promise<number> {
    let attempts = 0
    for (;;) {
      attempts += await this.#begin()
      if (this.#busy.size === 0) return attempts
      await Promise.race(this.#busy.values())
    }
  }

  /** Ends it; attempts under way are waited for. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer.cancel()
    await this.#looking
    await Promise.all(this.#busy.values())
  }

  #look(): void {
    if (this.#isClosed) return
    this.#looking ??= this.#begin()
      .then(() => undefined)
      .catch((error: unknown) => this.#warn(error))
      .finally(() => {
        this.#looking = undefined
      })
  }

  async #forgetOld(): Promise<void> {
    const { store, clock } = this.#options
    try {
      await store.forget(new Date(clock.nowMs() - DELIVERIES_KEPT_MS))
    } catch (error) {
      this.#warn(error)
    }
  }

  /** @returns how many attempts it began */
  async #begin(): Promise<number> {
    const free = AT_ONCE - this.#busy.size
    if (free <= 0) return 0
    const claims = await this.#options.store.claim(free, LEASE_MS, [...this.#busy.keys()])
    for (const claim of claims) {
      const attempt = this.#send(claim)
        .catch((error: unknown) => this.#warn(error))
        .finally(() => {
          this.#busy.delete(claim.tenantId)
          this.#look()
        })
      this.#busy.set(claim.tenantId, attempt)
    }
    return claims.length
  }

  async #send(claim: Claim): Promise<void> {
    const { store, clock, random, logger } = this.#options
    const reason = await this.#post(claim)
    if (reason === undefined) return store.delivered(claim.id)
    const pauseMs = PAUSES_MS[claim.attempts - 1]
    const after =
      pauseMs === undefined ? null : new Date(clock.nowMs() + pauseMs * (1 + random.next() / 5))
    const { id, attempts } = claim
    logger.info({ eventId: id, attempts, gaveUp: after === null }, 'a webhook was not taken')
    await store.failed(id, reason.slice(0, REASON_LENGTH_MAX), after)
  }

  /** @returns undefined where it was acknowledged, else why not */
  async #post(claim: Claim): Promise<string | undefined> {
    const { store, targets, clock, logger } = this.#options
    let secret: string
    try {
      secret = store.secretFor(claim)
    } catch (error) {
      const { tenantId } = claim
      logger.warn({ err: error, tenantId }, 'the secret of a webhook cannot be unsealed')
      return 'its secret was sealed with another content key; set the webhook again'
    }
    return postWebhook({ ...claim, secret }, targets, clock)
  }

  #warn(error: unknown): void {
    this.#options.logger.warn({ err: error }, 'webhooks could not be sent; tried again in a moment')
  }
}
