/**
 * Sends e-mails that wait, again after growing pauses where the mail server does not take one, and
 * gives up in the end. All of it is in rows, so a restart or another gateway goes on where it was.
 */
import type { Clock, Logger, Random, Timer } from '../../base/index.ts'
import type { SendMail } from '../../host/index.ts'
import type { Database } from '../../store/index.ts'
import { claimMails, type DueMail, mailDelivered, mailFailed } from './alert-rows.ts'
import { alertWords } from './alert-words.ts'

export interface MailSenderOptions {
  database: Database
  clock: Clock
  random: Random
  logger: Logger
  /** undefined: no mail server is configured. */
  send: SendMail | undefined
  zoneOf(tenantId: string): string
}

const PERIOD_MS = 5000
const AT_ONCE = 10
/** Longer than an attempt takes, so that two gateways never make the same one. */
const LEASE_MS = 120_000
const MINUTE_MS = 60_000
/** Pauses after the first, second, … attempt; after the last there is none. */
const PAUSES_MS = [MINUTE_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 120 * MINUTE_MS, 480 * MINUTE_MS]
const REASON_LENGTH_MAX = 300

export class MailSender {
  readonly #options: MailSenderOptions
  readonly #timer: Timer
  #sending: Promise<void> | undefined

  /** Begins to look for what is due every five seconds. */
  constructor(options: MailSenderOptions) {
    this.#options = options
    this.#timer = options.clock.every(PERIOD_MS, () => {
      this.#sending ??= this.sendDue()
        .then(() => undefined)
        .catch((error: unknown) => {
          options.logger.warn({ err: error }, 'e-mails could not be looked up; they wait')
        })
        .finally(() => {
          this.#sending = undefined
        })
    })
  }

  /** Attempts everything that is due now. @returns how many attempts were made */
  async sendDue(): Promise<number> {
    const { database, clock } = this.#options
    let attempts = 0
    for (;;) {
      const due = await claimMails(database.sql, clock.nowMs(), LEASE_MS, AT_ONCE)
      await Promise.all(due.map((mail) => this.#attempt(mail)))
      attempts += due.length
      if (due.length < AT_ONCE) return attempts
    }
  }

  /** Ends it; attempts under way are waited for. */
  async close(): Promise<void> {
    this.#timer.cancel()
    await this.#sending
  }

  async #attempt(mail: DueMail): Promise<void> {
    const { database, clock, random, logger } = this.#options
    const reason = await this.#failure(mail)
    const now = new Date(clock.nowMs())
    if (reason === undefined) return mailDelivered(database.sql, mail, now)
    const pauseMs = PAUSES_MS[mail.attempts - 1]
    const after =
      pauseMs === undefined ? null : new Date(now.getTime() + pauseMs * (1 + random.next() / 5))
    const { alertId, attempts } = mail
    logger.warn({ alertId, attempts, gaveUp: after === null, reason }, 'an e-mail was not taken')
    await mailFailed(database.sql, mail, reason.slice(0, REASON_LENGTH_MAX), after, now)
  }

  /** @returns undefined where the mail server took it, else why not */
  async #failure({ alertId, address, told }: DueMail): Promise<string | undefined> {
    const { send, zoneOf } = this.#options
    if (send === undefined) return 'no mail server is configured (GRISTMILL_SMTP_URL)'
    const words = alertWords(told, zoneOf(told.tenantId))
    try {
      // The same for every attempt, so that mail programs show a repetition once.
      await send({ to: address, id: `${alertId}.${hostless(address)}`, ...words })
      return undefined
    } catch (error) {
      return (error as Error).message || 'the mail server did not take it'
    }
  }
}

const hostless = (address: string) => address.replace(/[^a-z0-9]/gi, '-').toLowerCase()
