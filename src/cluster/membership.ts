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
  renewLease,
  takeLease,
} from './gateway-rows.ts'
import { LeaseTerm } from './lease-term.ts'

const ROUND_MS = 1000
/** While a holder waits for what others report. */
const HURRIED_MS = 200
/** A gateway that was silent for so long is taken for dead. */
export const SILENT_MS = 3000
/** Gateways that are shown although they are silent. */
const SHOWN_S = 3600

export interface MembershipOptions {
  own: OwnGateway
  /** The connection, while there is one. */
  sql: () => Sql | undefined
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
  #holds = false
  #isLeaving = false
  #isHurried = false
  #wake: AbortController | undefined
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

  /** Since the database was looked at last, milliseconds. */
  get lookAgeMs(): number {
    return this.#options.clock.monotonicMs() - this.#lookedAtMs
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
    this.#wake?.abort()
  }

  /** Looks more often, as long as it matters. */
  hurry(isHurried: boolean): void {
    this.#isHurried = isHurried
    this.wake()
  }

  /** Gives the lease back, so that another gateway can take it at once, and takes none any more. */
  async give(): Promise<void> {
    const sql = this.#options.sql()
    this.#isLeaving = true
    if (!this.#holds) return
    this.#drop()
    if (sql !== undefined) await giveLease(sql, this.#options.own, this.term.token)
  }

  /** Leaves; another gateway takes over at once. */
  async close(): Promise<void> {
    this.#isLeaving = true
    this.#closing.abort()
    this.wake()
    await this.#running
    try {
      await this.give()
      const sql = this.#options.sql()
      if (sql !== undefined) await leave(sql, this.#options.own)
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
    while (!signal.aborted) {
      this.#wake = new AbortController()
      await clock.sleep(this.#pauseMs(), this.#wake.signal).catch(() => undefined)
      const connection = sql()
      if (signal.aborted) return
      if (connection === undefined) continue
      await this.#look(connection).catch((error: Error) =>
        logger.warn({ reason: error.message }, 'the database did not say who schedules'),
      )
    }
  }

  /** Right after the end of a lease that is not renewed, if that comes first. */
  #pauseMs(): number {
    if (this.#isHurried) return HURRIED_MS
    const leftMs = this.#lease?.leftMs ?? 0
    if (this.#holds || leftMs > ROUND_MS) return ROUND_MS
    return Math.max(20, leftMs + 5)
  }

  async #look(sql: Sql): Promise<void> {
    const { own, clock, onLook } = this.#options
    if (this.#holds) await this.#renew(sql)
    await beat(sql, own)
    // Known before the lease is taken, since who lives has to report first.
    this.#gateways = await readGateways(sql, SHOWN_S)
    let lease = await readLease(sql)
    if (!this.#holds && !this.#isLeaving && (lease?.leftMs ?? 0) <= 0) {
      await this.#take(sql, lease)
      lease = await readLease(sql)
    }
    this.#lease = lease
    this.#lookedAtMs = clock.monotonicMs()
    onLook()
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
    const token = await takeLease(sql, own)
    if (token === null) return
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
