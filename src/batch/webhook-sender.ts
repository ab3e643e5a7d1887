/**
 * Sends what is due to tenants' webhooks, again after growing pauses where it is not acknowledged,
 * and gives up in the end. All of it is in rows, so a restart goes on where it was.
 */
import type { Clock, Logger, Random, Timer } from '../base/index.ts'
import { POST_MS_MAX, postWebhook } from './webhook-post.ts'
import type { Claim, WebhookStore } from './webhook-store.ts'
import type { WebhookTargets } from './webhook-target.ts'

export interface WebhookSenderOptions {
  store: WebhookStore
  targets: WebhookTargets
  clock: Clock
  random: Random
  logger: Logger
}

const PERIOD_MS = 2000
const AT_ONCE = 8
/** Longer than an attempt takes, so that two gateways never make the same one. */
const LEASE_MS = 4 * POST_MS_MAX
const MINUTE_MS = 60_000
/** Pauses after the first, second, … attempt; after the last there is none. */
const PAUSES_MS = [5000, 30_000, 2 * MINUTE_MS, 10 * MINUTE_MS, 60 * MINUTE_MS, 360 * MINUTE_MS]
const REASON_LENGTH_MAX = 300
const KEPT_MS = 30 * 24 * 60 * MINUTE_MS

export class WebhookSender {
  readonly #options: WebhookSenderOptions
  readonly #timer: Timer
  #running: Promise<void> | undefined

  /** Begins to look for what is due every other second. */
  constructor(options: WebhookSenderOptions) {
    this.#options = options
    this.#timer = options.clock.every(PERIOD_MS, () => {
      this.#running ??= this.#attempt().finally(() => {
        this.#running = undefined
      })
    })
  }

  /** Attempts everything that is due now. @returns how many attempts were made */
  async sendDue(): Promise<number> {
    const { store } = this.#options
    let attempts = 0
    for (;;) {
      const claims = await store.claim(AT_ONCE, LEASE_MS)
      await Promise.all(claims.map((claim) => this.#send(claim)))
      attempts += claims.length
      if (claims.length < AT_ONCE) return attempts
    }
  }

  /** Ends it; attempts under way are waited for. */
  async close(): Promise<void> {
    this.#timer.cancel()
    await this.#running
  }

  async #send(claim: Claim): Promise<void> {
    const { store, targets, clock, random, logger } = this.#options
    const reason = await postWebhook(claim, targets, clock)
    if (reason === undefined) return store.delivered(claim.id)
    const pauseMs = PAUSES_MS[claim.attempts - 1]
    const after =
      pauseMs === undefined ? null : new Date(clock.nowMs() + pauseMs * (1 + random.next() / 5))
    const { id, attempts } = claim
    logger.info({ eventId: id, attempts, gaveUp: after === null }, 'a webhook was not taken')
    await store.failed(id, reason.slice(0, REASON_LENGTH_MAX), after)
  }

  async #attempt(): Promise<void> {
    const { store, clock, logger } = this.#options
    try {
      await this.sendDue()
      await store.forget(new Date(clock.nowMs() - KEPT_MS))
    } catch (error) {
      logger.warn({ err: error }, 'webhooks could not be sent; tried again in a moment')
    }
  }
}
