/**
 * One gateway among those that share a database: gives a sign of life every second, keeps the
 * lease while it has it, and takes it once it has ended. Tells who schedules; schedules nothing.
 */
import { type Clock, LeaseTime, type Logger } from '../base/index.ts'
import type { Sql } from '../store/index.ts'
import {
  beat,
  type GatewayRow,
  giveLease,
  join,
  type LeaseRow,
  leave,
  type OwnGateway,
  readGateways,
  readLease,
  readOwn,
  renewLease,
  sayLeaving,
  takeLease,
} from './gateway-rows.ts'
import { LeaseTerm } from './lease-term.ts'

const ROUND_MS = 1000
/** While a holder waits for what others report, or the database is away. */
const HURRIED_MS = 200
/** A holder that could not look for so long lets go: others may have it by then. */
const BLIND_MS_MAX = 10_000
/** A holder that gave way takes the lease again where nobody else has by then. */
const STAND_BACK_MS = 3000
/** Between two looks, at the least. */
const PAUSE_MS_MIN = 20
/** A gateway that was silent for so long is taken for dead. */
export const SILENT_MS = 3000
/** Within which one that lives gives a sign of life. */
const TWIN_MS = 2 * ROUND_MS
/** Gateways that are shown although they are silent. */
const SHOWN_S = 3600

export interface MembershipOptions {
  own: OwnGateway
  /** The connection, while there is one. */
  sql: () => Sql | undefined
  /** Engines that answer this gateway. */
  reach: () => number
  clock: Clock
  logger: Logger
  /** We hold the lease from now on. @param endedMs how long ago the one before had ended */
  onTaken: (token: number, endedMs: number) => void
  /** We hold it no longer, or must act as if. */
  onLost: () => void
  /** After every look at the database. */
  onLook: () => void
}

export class Membership {
  readonly term = new LeaseTerm()
  readonly #options: MembershipOptions
  readonly #time: LeaseTime
  readonly #closing = new AbortController()
  #number = 0
  #gateways: GatewayRow[] = []
  #lease: LeaseRow | null = null
  /** The highest of all leases so far. */
  #tokenSeen = 0
  #holds = false
  #isLeaving = false
  #isHurried = false
  #isAway = false
  #standsBackUntilMs = Number.NEGATIVE_INFINITY
  #wake = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #lookedAtMs = Number.NEGATIVE_INFINITY

  constructor(options: MembershipOptions) {
    this.#options = options
    this.#time = new LeaseTime(options.clock)
  }

  /** What the ledger knows this gateway by. */
  get number(): number {
    return this.#number
  }

  /** Whether we may act as who holds the lease. */
  get mayAct(): boolean {
    return this.term.isValid(this.#time.nowMs())
  }

  /** All that are not long gone, as at the last look. */
  get gateways(): readonly GatewayRow[] {
    return this.#gateways
  }

  get lease(): LeaseRow | null {
    return this.#lease
  }

  /** Who schedules, as far as is known; undefined where nobody does. */
  get holder(): GatewayRow | undefined {
    const lease = this.#lease
    if (lease === null || lease.leftMs <= 0) return undefined
    return this.#gateways.find(({ id, run }) => id === lease.gatewayId && run === lease.run)
  }

  /** Identifiers of the gateways that live, this one included. */
  get alive(): Set<string> {
    const own = this.#options.own.id
    const living = this.#gateways.filter(({ beatAgeMs }) => beatAgeMs < SILENT_MS)
    return new Set([own, ...living.map(({ id }) => id)])
  }

  /** Those among which what is known to one alone is spread, this one included. */
  get homes(): readonly OwnGateway[] {
    const { own } = this.#options
    const isHome = ({ id, beatAgeMs, isLeaving }: GatewayRow) =>
      id !== own.id && beatAgeMs < SILENT_MS && !isLeaving
    const others = this.#gateways.filter(isHome)
    return this.#isLeaving ? others : [...others, own]
  }

  /** True where no engine answers this gateway, and some answer others that live. */
  get isCutOff(): boolean {
    const { own, reach } = this.#options
    const isBetterOff = ({ id, reach: engines, beatAgeMs }: GatewayRow) =>
      id !== own.id && engines > 0 && beatAgeMs < SILENT_MS
    return reach() === 0 && this.#gateways.some(isBetterOff)
  }

  /** Since the database was looked at last, milliseconds. */
  get lookAgeMs(): number {
    return this.#options.clock.monotonicMs() - this.#lookedAtMs
  }

  /**
   * Another gateway that runs under our identifier, from a copy of our data home: each of the two
   * would settle what the other one runs. One that was just killed is waited for.
   */
  async twin(): Promise<GatewayRow | undefined> {
    const { own, clock } = this.#options
    let before = await readOwn(this.#connection(), own)
    while (before !== undefined && before.beatAgeMs < TWIN_MS) {
      await clock.sleep(HURRIED_MS)
      const now = await readOwn(this.#connection(), own)
      if (now !== undefined && now.beatAgeMs < before.beatAgeMs) return now
      before = now
    }
    return undefined
  }

  /** Gets its number. @throws what the database throws */
  async join(): Promise<void> {
    this.#number = await join(this.#connection(), this.#options.own)
  }

  /** Looks once; from then on every second. @throws what the database throws */
  async start(): Promise<void> {
    await this.#look(this.#connection())
    this.#running = this.#keep()
  }

  /** Looks now. */
  wake(): void {
    this.#wake.abort()
  }

  /** Looks more often, as long as it matters. */
  hurry(isHurried: boolean): void {
    this.#isHurried = isHurried
    this.wake()
  }

  /**
   * Gives the lease back, so that another gateway can take it at once, and takes none any more;
   * says that it takes nothing else either.
   */
  async give(): Promise<void> {
    this.#isLeaving = true
    const { sql, own } = this.#options
    await this.#giveBack()
    const connection = sql()
    if (connection !== undefined) await this.#say(() => sayLeaving(connection, own))
  }

  /** Gives the lease back, so that another gateway can take it; it takes it again if none does. */
  async giveWay(): Promise<void> {
    this.#standsBackUntilMs = this.#options.clock.monotonicMs() + STAND_BACK_MS
    await this.#giveBack()
  }

  async #giveBack(): Promise<void> {
    const { sql, own } = this.#options
    const connection = sql()
    if (!this.#holds) return
    this.#drop()
    // Where that cannot be said it ends by itself.
    if (connection !== undefined) {
      await this.#say(() => giveLease(connection, own, this.term.token))
    }
  }

  /** Gives no sign of life any more; another gateway takes over at once. */
  async close(): Promise<void> {
    this.#isLeaving = true
    this.#closing.abort()
    this.wake()
    await this.#running
    await this.give()
  }

  /** Says that nothing of it is left to be written: what is open then is settled by others. */
  async leave(): Promise<void> {
    const { sql, own } = this.#options
    const connection = sql()
    if (connection !== undefined) await this.#say(() => leave(connection, own))
  }

  async #say(what: () => Promise<void>): Promise<void> {
    try {
      await what()
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'the gateway could not say that it leaves')
    }
  }

  #connection(): Sql {
    const sql = this.#options.sql()
    if (sql === undefined) throw new Error('the database was lost while gateways were joined')
    return sql
  }

  async #keep(): Promise<void> {
    const { clock, sql, logger } = this.#options
    const { signal } = this.#closing
    // From the start of a look, so that a slow database does not make renewals rarer.
    let beganMs = clock.monotonicMs()
    while (!signal.aborted) {
      const pauseMs = Math.max(PAUSE_MS_MIN, this.#pauseMs() - (clock.monotonicMs() - beganMs))
      await clock.sleep(pauseMs, this.#wake.signal).catch(() => undefined)
      const connection = sql()
      if (signal.aborted) return
      beganMs = clock.monotonicMs()
      this.#isAway = connection === undefined
      // What is heard during a look may not be in it, and makes for the next one.
      this.#wake = new AbortController()
      if (this.#holds && this.lookAgeMs > BLIND_MS_MAX) this.#drop()
      if (connection === undefined) continue
      await this.#look(connection).catch((error: Error) =>
        logger.warn({ reason: error.message }, 'the database did not say who schedules'),
      )
    }
  }

  /** Right after the end of a lease that is not renewed, if that comes first. */
  #pauseMs(): number {
    if (this.#isHurried || this.#isAway || this.#standsBack) return HURRIED_MS
    const leftMs = this.#lease?.leftMs ?? 0
    if (this.#holds || leftMs > ROUND_MS) return ROUND_MS
    return leftMs + 5
  }

  async #look(sql: Sql): Promise<void> {
    const { own, clock, onLook, reach } = this.#options
    if (this.#holds) await this.#renew(sql)
    // At once, since each may take long. Who lives is known before the lease is taken, as they
    // have to report first.
    const [, gateways, found] = await Promise.all([
      beat(sql, own, this.#number, reach()),
      readGateways(sql, SHOWN_S),
      readLease(sql),
    ])
    this.#gateways = gateways
    let lease = found
    const mayTake = !this.#holds && !this.#isLeaving && !this.#standsBack
    if (mayTake && (lease?.leftMs ?? 0) <= 0) {
      await this.#take(sql, lease)
      lease = await readLease(sql)
    }
    this.#lease = lease
    this.#tokenSeen = Math.max(this.#tokenSeen, lease?.token ?? 0)
    this.#lookedAtMs = clock.monotonicMs()
    onLook()
  }

  get #standsBack(): boolean {
    return this.#options.clock.monotonicMs() < this.#standsBackUntilMs
  }

  async #renew(sql: Sql): Promise<void> {
    const { own } = this.#options
    const sentAtMs = this.#time.nowMs()
    const isOurs = await renewLease(sql, own, this.term.token)
    if (isOurs) this.term.granted(this.term.token, sentAtMs)
    else this.#drop()
  }

  async #take(sql: Sql, before: LeaseRow | null): Promise<void> {
    const { own, onTaken } = this.#options
    const sentAtMs = this.#time.nowMs()
    const token = await takeLease(sql, own, this.#tokenSeen)
    if (token === null) return
    this.#tokenSeen = token
    this.term.granted(token, sentAtMs)
    this.#holds = true
    onTaken(token, Math.max(0, -(before?.leftMs ?? 0)))
  }

  #drop(): void {
    this.#holds = false
    this.term.ended()
    this.#options.onLost()
  }
}
