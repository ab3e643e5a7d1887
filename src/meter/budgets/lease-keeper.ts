/**
 * Keeps the leases of this gateway: asks the database for more, gives back what is idle or wanted
 * elsewhere, renews what is in use. What may be done with them is for the lease book to say.
 */
import { type Clock, GristmillError, LeaseTime, type Logger, type Timer } from '../../base/index.ts'
import { type Database, wasNeverSent } from '../../store/index.ts'
import { whole } from '../ledger-rows.ts'
import {
  bookSpends,
  forgetCounters,
  leaseBudget,
  notedCounters,
  reclaimLeases,
  releaseBudget,
  renewLeases,
} from './budget-rows.ts'
import {
  type Claim,
  type CounterState,
  LeaseBook,
  type Leased,
  roomIn,
  type Taken,
  wanted,
} from './lease-book.ts'

export interface LeaseKeeperOptions {
  database: Pick<Database, 'sql' | 'isUp'>
  clock: Clock
  logger: Logger
  /** Tells this run of this gateway from all others. */
  holder: string
  /** How long a lease lasts that is not renewed. */
  leaseMs: number
  /**
   * True where no other gateway wants any of it: more is leased, and kept for longer, so that it
   * lasts while the database is away.
   */
  isAlone: boolean
}

const TICK_MS = 500
const IDLE_MS = 2000
const IDLE_ALONE_MS = 60_000
/** How long after somebody else needed more, nothing is kept that is not in use. */
const WANTED_MS = 2000
/** After a refusal nothing is fetched ahead for so long. */
const REFUSED_MS = 500
const FORGOTTEN_MS = 3_600_000
const FORGET_COUNTERS_MS = 3_600_000
/** How often leases are renewed in the time that they last. */
const RENEWALS = 4
const RENEWALS_ALONE = 16
const RECLAIM_MS_MAX = 5000
/**
 * Spends that nobody has looked for are booked so often, or when there are so many: the more
 * together, the less each of them costs, but whoever reads a counter adds up what is not booked.
 */
const BOOK_MS = 300_000
const BOOK_SPENDS = 20_000
/** Counters booked in one tick: answers share the disk with it. */
const BOOK_COUNTERS = 50
/** The clock here may go slower than that of the database. */
const VALID_SHARE = 0.9
/** Requests that are to fit before more is fetched ahead. */
const AHEAD = 4n

export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions
  readonly #book = new LeaseBook()
  readonly #time: LeaseTime
  readonly #asking = new Map<string, Promise<void>>()
  readonly #waiting = new Map<string, Set<() => void>>()
  readonly #wantedUntilMs = new Map<string, number>()
  readonly #refusedAtMs = new Map<string, number>()
  readonly #timer: Timer
  #renewedAtMs = 0
  #reclaimedAtMs = 0
  #bookedAtMs = 0
  #forgotAtMs = 0
  /** Spends since then. */
  #unbooked = 0
  /** Counters left to be booked. */
  #toBook: string[] = []
  #working: Promise<void> | undefined
  #isClosed = false

  constructor(options: LeaseKeeperOptions) {
    this.#options = { ...options, leaseMs: whole(options.leaseMs) }
    this.#time = new LeaseTime(options.clock)
    this.#timer = options.clock.every(TICK_MS, () => {
      this.#working ??= this.#tick().finally(() => {
        this.#working = undefined
      })
    })
  }

  /** Sets all of it aside or nothing. @returns what was, or the first counter without room */
  take(claims: readonly Claim[]): Taken[] | string {
    const nowMs = this.#now()
    const taken = this.#book.take(claims, nowMs)
    if (typeof taken !== 'string') for (const one of taken) this.#fetchAhead(one, nowMs)
    return taken
  }

  settle(taken: Taken, spent: bigint): void {
    this.#book.settle(taken, spent)
    this.#unbooked++
    const { counterId } = taken
    this.#wake(counterId)
    if (this.#isWanted(counterId)) void this.#release(counterId)
  }

  /** Name of the lease that something was set aside in, as requests carry it. */
  holderOf({ epoch }: Pick<Leased, 'epoch'>): string {
    return `${this.#options.holder}/${epoch}`
  }

  stateOf(counterId: string): CounterState | undefined {
    return this.#book.stateOf(counterId)
  }

  room(counterId: string): bigint {
    return this.#book.room(counterId, this.#now())
  }

  /**
   * Asks for so much of a counter that an amount would fit; one at a time for each counter. While
   * the database is away, what is leased stays and there is no more.
   * @returns how it stands; there may be room now or not
   * @throws GristmillError `ledger_unavailable`
   */
  async ask({ counterId, amount }: Claim): Promise<CounterState> {
    if (!this.#options.database.isUp()) throw unavailable()
    let asking = this.#asking.get(counterId)
    if (asking === undefined) {
      asking = this.#lease(counterId, amount).finally(() => this.#asking.delete(counterId))
      this.#asking.set(counterId, asking)
    }
    await asking
    const state = this.#book.stateOf(counterId)
    if (state === undefined) throw unavailable()
    return state
  }

  /** Resolves when there may be room in a counter, at the latest after a while. */
  async change(counterId: string, waitMs: number): Promise<void> {
    const waiting = this.#waiting.get(counterId) ?? new Set()
    this.#waiting.set(counterId, waiting)
    const { promise, resolve } = Promise.withResolvers<void>()
    waiting.add(resolve)
    const timer = this.#options.clock.after(waitMs, resolve)
    await promise
    timer.cancel()
    waiting.delete(resolve)
    if (waiting.size === 0) this.#waiting.delete(counterId)
  }

  /** What another gateway, or this one, has told everybody. */
  heard(payload: string): void {
    const [what, holder = '', ...rest] = payload.split('|')
    const counterId = rest.join('|')
    if (what === 'freed') this.#wake(counterId)
    if (what !== 'wanted' || holder.startsWith(`${this.#options.holder}/`)) return
    this.#wantedUntilMs.set(counterId, this.#now() + WANTED_MS)
    void this.#release(counterId)
  }

  /** Gives back what is not set aside of some counters, or of all; it can be asked for again. */
  async giveBack(isMeant: (counterId: string) => boolean = () => true): Promise<void> {
    const meant = this.#book.leases().filter(({ counterId }) => isMeant(counterId))
    await Promise.all(meant.map(({ counterId }) => this.#release(counterId)))
  }

  /** Ends it. What is settled later is still booked. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer.cancel()
    await this.#working
    await this.giveBack()
  }

  #fetchAhead({ counterId, amount, held }: Taken, nowMs: number): void {
    const isKnown = held.state !== undefined
    if (isKnown && (amount === 0n || roomIn(held, nowMs) >= AHEAD * amount)) return
    if (!this.#options.database.isUp()) return
    if (!isKnown) {
      this.ask({ counterId, amount: 0n }).catch((error: unknown) => this.#warn(error))
      return
    }
    const refusedAtMs = this.#refusedAtMs.get(counterId) ?? Number.NEGATIVE_INFINITY
    if (nowMs - refusedAtMs < REFUSED_MS || this.#isWanted(counterId)) return
    const more = { counterId, amount: AHEAD * amount }
    this.ask(more).catch((error: unknown) => this.#warn(error))
  }

  async #lease(counterId: string, amount: bigint): Promise<void> {
    const { database, leaseMs, isAlone } = this.#options
    const room = this.room(counterId)
    // What has run out may be somebody else's by now.
    if (room === 0n && this.#book.hasRunOut(counterId, this.#now())) this.#book.lost(counterId)
    const epoch = this.#book.epochOf(counterId)
    const need = amount > room ? amount - room : 0n
    const sentMs = this.#now()
    try {
      const asked = { need, want: wanted(need, isAlone) }
      const holder = this.holderOf({ epoch })
      const { granted, state } = await leaseBudget(database.sql, counterId, holder, asked, leaseMs)
      const lease = { counterId, amount: granted, epoch }
      this.#book.granted(lease, sentMs + leaseMs * VALID_SHARE, state)
      if (granted > 0n) this.#wake(counterId)
      else if (need > 0n) this.#refusedAtMs.set(counterId, this.#now())
    } catch (error) {
      // Whether it was granted is not known; what it was is left to expire.
      if (!wasNeverSent(error)) this.#book.lost(counterId)
      throw unavailable(error)
    }
  }

  async #release(counterId: string): Promise<void> {
    if (!this.#options.database.isUp()) return
    const epoch = this.#book.epochOf(counterId)
    const amount = this.#book.takeUnused(counterId)
    if (amount === 0n) return
    try {
      await releaseBudget(this.#options.database.sql, counterId, this.holderOf({ epoch }), amount)
    } catch (error) {
      if (wasNeverSent(error)) this.#book.putBack({ counterId, amount, epoch })
      else this.#book.lost(counterId)
      this.#warn(error)
    }
  }

  async #tick(): Promise<void> {
    const { leaseMs, database, isAlone } = this.#options
    if (!database.isUp()) return
    const nowMs = this.#now()
    try {
      const leases = this.#book.leases()
      const idleMs = isAlone ? IDLE_ALONE_MS : IDLE_MS
      const idle = leases.filter((one) => one.isIdle && nowMs - one.usedAtMs > idleMs)
      await Promise.all(idle.map(({ counterId }) => this.#release(counterId)))
      if (nowMs - this.#renewedAtMs >= leaseMs / (isAlone ? RENEWALS_ALONE : RENEWALS)) {
        this.#renewedAtMs = nowMs
        await this.#renew()
      }
      if (nowMs - this.#reclaimedAtMs >= Math.min(leaseMs / 2, RECLAIM_MS_MAX)) {
        this.#reclaimedAtMs = nowMs
        await reclaimLeases(database.sql)
      }
      if (nowMs - this.#bookedAtMs >= BOOK_MS || this.#unbooked >= BOOK_SPENDS) {
        this.#bookedAtMs = nowMs
        this.#unbooked = 0
        this.#toBook = await notedCounters(database.sql)
      }
      const counterIds = this.#toBook.splice(0, BOOK_COUNTERS)
      if (counterIds.length > 0) await bookSpends(database.sql, counterIds)
      if (nowMs - this.#forgotAtMs >= FORGET_COUNTERS_MS) {
        this.#forgotAtMs = nowMs
        await forgetCounters(database.sql)
      }
      this.#book.forget(nowMs - FORGOTTEN_MS)
      for (const [counterId, untilMs] of this.#wantedUntilMs) {
        if (untilMs < nowMs) this.#wantedUntilMs.delete(counterId)
      }
      for (const [counterId, atMs] of this.#refusedAtMs) {
        if (nowMs - atMs > REFUSED_MS) this.#refusedAtMs.delete(counterId)
      }
    } catch (error) {
      if (!this.#isClosed) this.#warn(error)
    }
  }

  async #renew(): Promise<void> {
    const { database, leaseMs } = this.#options
    const sentMs = this.#now()
    const leases = this.#book.leases().map(({ counterId, epoch }) => {
      return { counterId, epoch, holder: this.holderOf({ epoch }) }
    })
    if (leases.length === 0) return
    const renewed = new Set(await renewLeases(database.sql, leases, leaseMs))
    for (const { counterId, epoch } of leases) {
      if (this.#book.epochOf(counterId) !== epoch) continue
      if (renewed.has(counterId)) this.#book.renewed(counterId, sentMs + leaseMs * VALID_SHARE)
      else this.#book.lost(counterId)
    }
  }

  #isWanted(counterId: string): boolean {
    if (this.#wantedUntilMs.size === 0) return false
    return (this.#wantedUntilMs.get(counterId) ?? Number.NEGATIVE_INFINITY) > this.#now()
  }

  #wake(counterId: string): void {
    if (this.#waiting.size === 0) return
    for (const resolve of this.#waiting.get(counterId) ?? []) resolve()
  }

  #warn(error: unknown): void {
    this.#options.logger.warn({ err: error }, 'leases of budgets could not be kept')
  }

  #now(): number {
    return this.#time.nowMs()
  }
}

const RETRY_AFTER_MS = 2000

function unavailable(cause?: unknown): GristmillError {
  return new GristmillError('ledger_unavailable', {}, { cause, retryAfterMs: RETRY_AFTER_MS })
}
