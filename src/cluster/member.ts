/**
 * One of several gateways at a database: schedules while it holds the lease, and else hands its
 * requests to the one that does. Joins membership, desk, links and the gateway's own tickets.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Clock, Logger, Random, Timer } from '../base/index.ts'
import type { Engine } from '../engine/index.ts'
import { type RateLimiter, TokenRates } from '../gateway/index.ts'
import { type Pool, restoreCounters } from '../pool/index.ts'
import type { Database, Fence, SharedRight } from '../store/index.ts'
import { ClusterPool } from './cluster-pool.ts'
import { ClusterRates } from './cluster-rates.ts'
import { RememberedCounters } from './counter-feed.ts'
import { CutOff } from './cut-off.ts'
import {
  forgetGateways,
  markSettled,
  noteTakeover,
  type OwnGateway,
  readGone,
  readTakeovers,
  type TakeoverRow,
} from './gateway-rows.ts'
import { HolderLink } from './holder-link.ts'
import { homesBefore } from './homes.ts'
import { Membership } from './membership.ts'
import type { Down, Up } from './messages.ts'
import { answerPeer } from './peer-door.ts'
import { peerKey } from './peer-proof.ts'
import { PeerStream } from './peer-stream.ts'
import { SchedulerDesk } from './scheduler-desk.ts'
import { WorkRight } from './work-right.ts'

const TICK_MS = 100
const TAKEOVERS_SHOWN = 50
/** A gateway that was silent for so long has ended, as far as its requests are concerned. */
const GONE_AFTER_S = 120
/** After a gateway has left, or was silent; one that comes back gets a row anew. */
const FORGOTTEN_AFTER_S = 30 * 86_400

export interface MemberOptions {
  own: OwnGateway
  /** At least 32 bytes that all gateways have; those of before as well while they are changed. */
  secrets: readonly Uint8Array[]
  right: SharedRight
  database: Database
  clock: Clock
  random: Random
  logger: Logger
}

/** What becomes known after the member was made. */
export interface MemberParts {
  pool: Pool
  engineOf: (engineId: string) => Engine | undefined
}

export type MemberRole = 'holder' | 'counting' | 'follower' | 'lost'

export class Member {
  readonly pool: ClusterPool
  readonly rates: RateLimiter
  readonly membership: Membership
  readonly #options: MemberOptions
  readonly #keys: readonly Buffer[]
  readonly #deskRates: TokenRates
  readonly #counters = new RememberedCounters()
  readonly #work: WorkRight
  readonly #cutOff = new CutOff()
  readonly #listeners = new Set<() => void>()
  readonly #lostListeners = new Set<() => void>()
  #parts: MemberParts | undefined
  #desk: SchedulerDesk | undefined
  #link: HolderLink | undefined
  readonly #inbound = new Set<PeerStream<Up, Down>>()
  #tick: Timer | undefined
  #unlisten: (() => void) | undefined

  constructor(options: MemberOptions) {
    const { clock, logger, right, own } = options
    this.#options = options
    this.#keys = options.secrets.map(peerKey)
    this.#deskRates = new TokenRates(clock)
    this.#work = new WorkRight(options)
    this.pool = new ClusterPool({
      clock,
      engineOf: (id) => this.#parts?.engineOf(id),
      placesOf: (model) => placesOf(this.#parts?.pool, model),
      hasChoice: (model) => this.#parts?.pool.hasChoice(model) === true,
      asksBeginnings: (model) => this.#parts?.pool.asksBeginnings(model) === true,
    })
    this.rates = new ClusterRates((message) => this.pool.tell(message))
    this.membership = new Membership({
      own,
      sql: () => right.sql(),
      reach: () => reachOf(this.#parts?.pool),
      clock,
      logger,
      onTaken: (token, endedMs) => this.#takeOver(token, endedMs),
      onLost: () => this.#giveUp(),
      onLook: () => this.#look(),
    })
  }

  /** Gets its number, before anything is booked. */
  async join(): Promise<void> {
    await this.membership.join()
  }

  /** Joins the other gateways; whoever schedules is known then, or this gateway does. */
  async start(parts: MemberParts): Promise<void> {
    const { clock, database } = this.#options
    this.#parts = parts
    this.#tick = clock.every(TICK_MS, () => this.pool.tick())
    await this.membership.start()
    this.#unlisten = await database.listen('gateways', () => this.membership.wake())
  }

  get role(): MemberRole {
    if (this.#desk !== undefined) return this.mayStart() ? 'holder' : 'counting'
    return this.pool.isAttached ? 'follower' : 'lost'
  }

  /** Whether requests may be started now, by us. */
  mayStart(): boolean {
    return this.#desk?.isOpen === true && this.membership.mayAct
  }

  /** Whether what only one gateway may do is ours to do. */
  isOurs(): boolean {
    return this.mayStart() && this.#work.isOurs
  }

  fence(): Fence {
    return this.#work.fence()
  }

  /**
   * Has the requests settled that gateways left open which do not live any more, and forgets those
   * that have not lived for long.
   * @param numbersOf numbers of gateways with open requests
   * @param settle settles those of gateways with these numbers
   */
  async settleGone(
    numbersOf: () => Promise<readonly number[]>,
    settle: (numbers: readonly number[]) => Promise<unknown>,
  ): Promise<void> {
    const { sql } = this.#options.database
    const gone = await readGone(sql, GONE_AFTER_S, await numbersOf())
    if (gone.length > 0) {
      await settle(gone)
      await markSettled(sql, gone, GONE_AFTER_S)
    }
    await forgetGateways(sql, FORGOTTEN_AFTER_S)
  }

  /** Where the gateway is that schedules, if it is another one and connected. */
  get elsewhere(): string | undefined {
    return this.#link?.isUp === true ? this.membership.holder?.url : undefined
  }

  /** Addresses of the gateways that come before this one for what is kept by a key. */
  homesOf(key: string): string[] {
    return homesBefore(this.id, this.membership.homes, key)
  }

  get id(): string {
    return this.#options.own.id
  }

  /** True while this gateway has the lease, whether or not it counts still. */
  get isHolding(): boolean {
    return this.#desk !== undefined
  }

  /** Who took over when, newest first. */
  async takeovers(): Promise<TakeoverRow[]> {
    return await readTakeovers(this.#options.database.sql, TAKEOVERS_SHOWN)
  }

  /** Gateways connected here, where this one schedules. */
  get connected(): string[] {
    return this.#desk?.gateways ?? []
  }

  /** Places that are left empty for requests of which nobody tells. */
  get heldPlaces(): number {
    return this.#desk?.heldPlaces ?? 0
  }

  /** Calls back once this gateway schedules; returns what ends that. */
  onHolding(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Calls back as soon as this gateway schedules no longer; returns what ends that. */
  onLost(listener: () => void): () => void {
    this.#lostListeners.add(listener)
    return () => this.#lostListeners.delete(listener)
  }

  /** Answers an upgrade of HTTP. @returns false where it is none of ours */
  upgrade(request: IncomingMessage, socket: Duplex): boolean {
    const { own, clock, random } = this.#options
    const options = {
      ownId: own.id,
      keys: this.#keys,
      clock,
      random,
      isOpen: () => this.#desk !== undefined,
      onPeer: (gatewayId: string, peer: Duplex) => this.#welcome(gatewayId, peer),
    }
    return answerPeer(options, request, socket)
  }

  /** Hands the right to schedule over; what this gateway has goes on at the next holder. */
  async handOver(): Promise<void> {
    await this.membership.give()
  }

  async close(): Promise<void> {
    this.#unlisten?.()
    this.#tick?.cancel()
    await this.membership.close()
    this.#link?.close()
    this.#desk?.close()
  }

  #takeOver(token: number, endedMs: number): void {
    const { clock, logger, own, database } = this.#options
    const parts = this.#parts
    if (parts === undefined) throw new Error('the lease was taken before the pool was there')
    const startMs = clock.monotonicMs()
    this.#unlink()
    this.pool.fence.saw(token)
    restoreCounters(parts.pool.scheduler, this.#counters.rows)
    this.#deskRates.restore(this.#counters.buckets)
    const alive = this.membership.alive
    alive.delete(own.id)
    const desk = new SchedulerDesk({
      pool: parts.pool,
      rates: {
        charge: (ask) => {
          const charge = this.#deskRates.chargeTo(ask.limits, ask.inputTokens, ask.tokens)
          return { correct: (tokens) => this.#deskRates.correct(charge, tokens) }
        },
        levels: () => this.#deskRates.levels(),
        forgetIdle: () => this.#deskRates.forgetIdle(),
      },
      clock,
      logger,
      others: alive,
      ranBefore: this.#counters.running,
      onOpen: (found) => {
        const idleMs = endedMs + clock.monotonicMs() - startMs
        logger.warn({ token, idleMs, ...found }, 'this gateway schedules')
        this.membership.hurry(false)
        this.#work.take()
        for (const listener of this.#listeners) listener()
        noteTakeover(database.sql, { token, gatewayId: own.id, idleMs, ...found }).catch(
          (error: unknown) => logger.warn({ err: error }, 'a takeover was not written down'),
        )
      },
    })
    this.#desk = desk
    this.membership.hurry(true)
    const seat = desk.seat(own.id, (message) => this.#receive(message, token, 0))
    this.pool.attach((message) => seat.handle(message))
  }

  #giveUp(): void {
    this.#options.logger.warn({}, 'this gateway does not schedule any more')
    this.#work.drop()
    for (const listener of this.#lostListeners) listener()
    this.#desk?.close()
    this.#desk = undefined
    for (const stream of this.#inbound) stream.close('another gateway schedules')
    this.pool.detach()
  }

  #look(): void {
    const { lease, holder, alive } = this.membership
    if (lease !== null) this.pool.fence.saw(lease.token)
    const reach = reachOf(this.#parts?.pool)
    this.pool.tell(['reach', reach])
    if (this.#desk !== undefined) {
      this.#desk.alive(alive)
      if (this.mayStart()) this.#parts?.pool.wake()
      this.#giveWayIfCutOff(this.#desk, reach)
      return
    }
    if (lease === null || holder === undefined) return
    const { gatewayId, token } = this.#link ?? {}
    if (gatewayId === holder.id && token === lease.token) return
    this.#unlink()
    const { own, clock, random, logger } = this.#options
    this.#link = new HolderLink({
      ownId: own.id,
      gatewayId: holder.id,
      url: holder.url,
      token: lease.token,
      keys: this.#keys,
      clock,
      random,
      logger,
      onUp: (tell) => this.pool.attach(tell),
      onDown: () => this.pool.detach(),
      onMessage: (message, ageMs) => this.#receive(message, lease.token, ageMs),
    })
  }

  /** The engines answer others, so that requests need not wait for them to answer us. */
  #giveWayIfCutOff(desk: SchedulerDesk, reach: number): void {
    const { own, clock, logger } = this.#options
    const others = desk.reachOfOthers(own.id)
    if (!this.#cutOff.isLasting(reach, others, clock.monotonicMs())) return
    logger.warn({}, 'no engine answers this gateway, while others reach some; it gives way')
    void this.membership.giveWay()
  }

  #receive(message: Down, token: number, ageMs: number): void {
    if (message[0] === 'counters') this.#counters.note(message[1])
    else this.pool.receive(message, token, ageMs)
  }

  #unlink(): void {
    this.#link?.close()
    this.#link = undefined
    this.pool.detach()
  }

  #welcome(gatewayId: string, socket: Duplex): void {
    const { clock, logger } = this.#options
    const desk = this.#desk
    if (desk === undefined) {
      socket.destroy()
      return
    }
    const stream: PeerStream<Up, Down> = new PeerStream<Up, Down>(socket, {
      clock,
      onMessage: (message) => seat.handle(message),
      onClose: (reason) => {
        this.#inbound.delete(stream)
        logger.info({ gatewayId, reason }, 'a gateway has gone')
        desk.left(seat)
      },
    })
    this.#inbound.add(stream)
    stream.send(['welcome', this.membership.term.token])
    const seat = desk.seat(gatewayId, (message) => stream.send(message))
  }
}

/** Engines that answer. */
function reachOf(pool: Pool | undefined): number {
  let engines = 0
  for (const { state } of pool?.engines.values() ?? [])
    if (state === 'up' || state === 'draining') engines++
  return engines
}

function placesOf(pool: Pool | undefined, model: string): number {
  let places = 0
  for (const { profile } of pool?.engines.values() ?? []) {
    if (profile.models.some(({ name }) => name === model)) places += profile.cap + profile.express
  }
  return places
}
