/**
 * The desk of the gateway that schedules, for one term of its lease: counts what runs before it
 * starts anything, and has a seat for every gateway, its own included.
 */
import type { Clock, Logger, Timer } from '../base/index.ts'
import { type Pool, type PoolTicket, type RateAsk, standingOf } from '../pool/index.ts'
import { CounterFeed } from './counter-feed.ts'
import { HeldPlaces } from './held-places.ts'
import type { BucketRow, CountersNews, Down, Offer, TicketNumber } from './messages.ts'
import { Recount } from './recount.ts'
import { type Charged, Seat, type SeatOwner } from './seat.ts'

const CHECK_MS = 250
const TICKS_PER_NEWS = 4
const TICKS_PER_MINUTE = 240
/** Whoever lives and can reach us has reported within this time. */
const REPORT_MS_MAX = 3000
const LOAD_MS_MAX = 500
/** Between what an engine tells and a second look at what runs, so that ends on their way show. */
const SETTLE_MS = 100
/** What was sent to an engine so long ago is there, whether or not it has answered. */
const ARRIVES_MS = 1000

/** Rates as they are judged where requests are scheduled. */
export interface Rates {
  charge(ask: RateAsk): Charged
  levels(): BucketRow[]
  /** To be called now and then. */
  forgetIdle(): void
}

export interface DeskOptions {
  pool: Pool
  rates: Rates
  clock: Clock
  logger: Logger
  /** Gateways that live, apart from this one. */
  others: Iterable<string>
  /** What ran, as the holder before told last, by gateway and engine. */
  ranBefore: CountersNews['running']
  /** Everything is counted: what waits is started from now on. */
  onOpen: (found: { running: number; waiting: number; held: number }) => void
}

interface Kept {
  seat: Seat
  number: TicketNumber
  offer: Offer
}

export class SchedulerDesk implements SeatOwner {
  readonly pool: Pool
  readonly recount: Recount
  readonly #options: DeskOptions
  readonly #seats = new Set<Seat>()
  readonly #reported = new Set<string>()
  readonly #held = new HeldPlaces()
  readonly #feed: CounterFeed
  readonly #timer: Timer
  readonly #beganAtMs: number
  /** By gateway and number. */
  readonly #kept = new Map<string, Kept>()
  #phase: 'counting' | 'asking' | 'open' | 'closed' = 'counting'
  #ticks = 0
  #isChecking = false

  constructor(options: DeskOptions) {
    this.#options = options
    this.pool = options.pool
    this.recount = new Recount(options.others)
    this.#feed = new CounterFeed(options.pool.scheduler)
    this.#beganAtMs = options.clock.monotonicMs()
    this.#timer = options.clock.every(CHECK_MS, () => this.#tick())
  }

  get isOpen(): boolean {
    return this.#phase === 'open'
  }

  /** Gateways with a seat. */
  get gateways(): string[] {
    return [...this.#seats].map(({ gatewayId }) => gatewayId)
  }

  /** How many engines answer each of the gateways, apart from this one. */
  reachOfOthers(ownId: string): number[] {
    return [...this.#seats].flatMap(({ gatewayId, reach }) => (gatewayId === ownId ? [] : [reach]))
  }

  get heldPlaces(): number {
    return this.#held.engines().reduce((sum, id) => sum + this.#held.of(id), 0)
  }

  /** @param send reaches that gateway */
  seat(gatewayId: string, send: (message: Down) => void): Seat {
    for (const other of this.#seats) if (other.gatewayId === gatewayId) this.left(other)
    const seat = new Seat(gatewayId, this, send)
    this.#seats.add(seat)
    send(['counters', this.#news(true)])
    return seat
  }

  left(seat: Seat): void {
    if (!this.#seats.delete(seat)) return
    for (const [key, kept] of this.#kept) if (kept.seat === seat) this.#kept.delete(key)
    if (this.#phase !== 'closed') seat.left()
  }

  /** Gateways that live now. */
  alive(gatewayIds: ReadonlySet<string>): void {
    this.recount.alive(gatewayIds)
    this.#openIfCounted()
  }

  /** Somebody else schedules: nothing of what is here may start any more. */
  close(): void {
    this.#phase = 'closed'
    this.#timer.cancel()
    this.#seats.clear()
    for (const id of this.#held.engines()) this.pool.hold(id, 0)
    this.pool.clear()
  }

  // What seats ask of it

  nowMs(): number {
    return this.#options.clock.monotonicMs()
  }

  queue(seat: Seat, number: TicketNumber, offer: Offer): void {
    if (this.#phase === 'open') seat.ask(number, offer)
    else if (this.#phase !== 'closed') this.#kept.set(keyOf(seat, number), { seat, number, offer })
  }

  unqueue(seat: Seat, number: TicketNumber): void {
    this.#kept.delete(keyOf(seat, number))
  }

  found(engineId: string): void {
    this.#held.found(engineId)
    this.#apply(engineId)
  }

  lost(engineId: string, places: number): void {
    this.#held.lost(engineId, places, this.nowMs())
    this.#apply(engineId)
  }

  ready({ gatewayId }: Seat): void {
    this.recount.reported(gatewayId)
    this.#reported.add(gatewayId)
    this.#openIfCounted()
  }

  charge(ask: RateAsk): Charged {
    return this.#options.rates.charge(ask)
  }

  #openIfCounted(): void {
    if (this.#phase !== 'counting' || !this.recount.isComplete) return
    this.#phase = 'asking'
    this.#askAll().then(
      () => this.#open(),
      (error: unknown) => this.#options.logger.error({ err: error }, 'engines were not counted'),
    )
  }

  /** What engines run beside what gateways tell of is held. */
  async #askAll(): Promise<void> {
    const ids = [...this.pool.engines.keys()]
    await Promise.all(
      ids.map(async (id) => {
        const running = await this.#runningAt(id)
        const known = await this.#runningOver(id, () => true)
        const unknown = running === null ? this.#untold(id) : running - known
        if (this.#phase === 'asking') this.lost(id, unknown)
      }),
    )
  }

  /** Of an engine that tells nothing: what gateways ran there that have not reported. */
  #untold(engineId: string): number {
    const before = Object.entries(this.#options.ranBefore)
    return before.reduce((sum, [gatewayId, counts]) => {
      return this.#reported.has(gatewayId) ? sum : sum + (counts[engineId] ?? 0)
    }, 0)
  }

  #open(): void {
    if (this.#phase !== 'asking') return
    this.#phase = 'open'
    const kept = this.#inOrder()
    this.#kept.clear()
    const found = { running: this.pool.running.size, waiting: kept.length, held: this.heldPlaces }
    for (const { seat, number, offer } of kept) seat.ask(number, offer)
    this.#options.onOpen(found)
    this.pool.wake()
  }

  /** Those who have received least first, and what is each one's by age. */
  #inOrder(): Kept[] {
    const { scheduler } = this.pool
    const ranked = [...this.#kept.values()].map((one) => {
      const standing = scheduler.order === 'fair' ? standingOf(scheduler, one.offer.request) : []
      return { one, rank: [...standing, -one.offer.ageMs] }
    })
    ranked.sort((a, b) => compare(a.rank, b.rank))
    return ranked.map(({ one }) => one)
  }

  /** One that lives and cannot reach us must not keep all others from being served. */
  #giveUpMissing(): void {
    if (this.nowMs() - this.#beganAtMs < REPORT_MS_MAX) return
    const gatewayIds = [...this.recount.missing]
    this.#options.logger.warn({ gatewayIds }, 'gateways that live have not told what they run')
    this.recount.alive(new Set())
    this.#openIfCounted()
  }

  #tick(): void {
    if (this.#phase === 'counting') this.#giveUpMissing()
    if (this.#phase !== 'open') return
    if (++this.#ticks % TICKS_PER_NEWS === 0) {
      const news = this.#news(false)
      for (const seat of this.#seats) seat.send(['counters', news])
    }
    if (this.#ticks % TICKS_PER_MINUTE === 0) this.#options.rates.forgetIdle()
    if (this.#isChecking || this.#held.engines().length === 0) return
    this.#isChecking = true
    void this.#check().finally(() => {
      this.#isChecking = false
    })
  }

  async #check(): Promise<void> {
    await Promise.all(
      this.#held.engines().map(async (id) => {
        const running = await this.#runningAt(id)
        const known = await this.#runningOver(id, (ticket) => this.#hasArrived(ticket))
        if (this.#phase !== 'open') return
        if (running === null) this.#held.untold(id, this.nowMs())
        else this.#held.told(id, running, known, this.nowMs())
        this.#apply(id)
      }),
    )
  }

  /** What an engine says that it runs; null where it does not say. */
  async #runningAt(engineId: string): Promise<number | null> {
    const place = this.pool.engines.get(engineId)
    if (place === undefined || place.state === 'down') return 0
    if (!place.profile.tellsLoad) return null
    const late = new AbortController()
    const timer = this.#options.clock.after(LOAD_MS_MAX, () => late.abort())
    const load = await place.engine.load(late.signal).catch(() => null)
    timer.cancel()
    return load === null ? null : load.running + (load.waiting ?? 0)
  }

  /** How many run at an engine now and a moment later, when ends on their way have come. */
  async #runningOver(engineId: string, counts: (ticket: PoolTicket) => boolean): Promise<number> {
    const now = [...this.pool.running.values()].filter(
      (ticket) => ticket.engineId === engineId && counts(ticket),
    )
    await this.#options.clock.sleep(SETTLE_MS)
    return now.filter(({ state }) => state === 'running').length
  }

  #hasArrived({ firstTokenAtMs, dispatchedAtMs }: PoolTicket): boolean {
    return firstTokenAtMs !== undefined || this.nowMs() - dispatchedAtMs > ARRIVES_MS
  }

  #apply(engineId: string): void {
    if (this.#phase !== 'closed') this.pool.hold(engineId, this.#held.of(engineId))
  }

  #news(isWhole: boolean): CountersNews {
    return {
      isWhole,
      ...(isWhole ? { rows: this.#feed.all() } : this.#feed.changed()),
      buckets: this.#options.rates.levels(),
      running: Object.fromEntries([...this.#seats].map((seat) => [seat.gatewayId, seat.running()])),
    }
  }
}

const keyOf = ({ gatewayId }: Seat, number: TicketNumber) => `${gatewayId} ${number}`

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [i, value] of a.entries()) {
    const other = b[i] ?? 0
    if (value !== other) return value < other ? -1 : 1
  }
  return 0
}
