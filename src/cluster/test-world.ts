/**
 * Gateways in one process, joined by calls instead of connections, with a clock of their own and
 * one engine. Never used by the program.
 */
import assert from 'node:assert/strict'
import { createLogger, FakeClock, type GristmillError, Registry } from '../base/index.ts'
import type { Engine, EngineProfile } from '../engine/index.ts'
import { TokenRates } from '../gateway/index.ts'
import {
  Pool,
  type RateAsk,
  restoreCounters,
  type Ticket,
  type TicketRequest,
} from '../pool/index.ts'
import { ClusterPool } from './cluster-pool.ts'
import { RememberedCounters } from './counter-feed.ts'
import type { Down } from './messages.ts'
import { SchedulerDesk } from './scheduler-desk.ts'

const CAP = 2

export class World {
  readonly clock = new FakeClock()
  /** What the engine says that it runs; null: it does not say. */
  engineRuns: number | null = 0
  readonly counters = new RememberedCounters()
  #token = 0

  readonly engine: Engine = {
    id: 'e',
    name: 'e',
    url: 'http://e',
    speaksMessages: false,
    probePeriodMs: 2000,
    dispatch: () => ({ resume() {}, abort() {} }),
    probe: () => Promise.reject(new Error('not asked here')),
    load: () => {
      const running = this.engineRuns
      return Promise.resolve(
        running === null ? null : { running, waiting: 0, kvUsage: null, preemptions: null },
      )
    },
    stepTimes: () => Promise.resolve(null),
    countOf: () => Promise.resolve(null),
    countTokens: () => Promise.resolve(null),
    close: () => Promise.resolve(),
  }

  gateway(): ClusterPool {
    return new ClusterPool({
      clock: this.clock,
      engineOf: (id) => (id === 'e' ? this.engine : undefined),
      placesOf: () => CAP,
      hasChoice: () => false,
      asksBeginnings: () => false,
    })
  }

  /** Somebody begins to schedule. @param others who has to report first */
  holder(others: string[] = []): Holder {
    const holder = new Holder(this, ++this.#token, others)
    holder.pool.setEngine(this.engine, profile(this.engineRuns !== null), 'up', '')
    restoreCounters(holder.pool.scheduler, this.counters.rows)
    return holder
  }
}

class Holder {
  readonly world: World
  readonly pool: Pool
  readonly desk: SchedulerDesk
  readonly token: number
  readonly rates: TokenRates
  opened: { running: number; waiting: number; held: number } | undefined

  constructor(world: World, token: number, others: string[]) {
    const { clock } = world
    const logger = createLogger('silent', 'test')
    this.world = world
    this.token = token
    this.rates = new TokenRates(clock)
    this.pool = new Pool({
      clock,
      logger,
      registry: new Registry(),
      order: 'fair',
      mayStart: () => this.desk.isOpen,
      recordCapacity: () => {},
      recordChange: () => {},
    })
    this.desk = new SchedulerDesk({
      pool: this.pool,
      clock,
      logger,
      others,
      ranBefore: world.counters.running,
      rates: {
        charge: ({ limits, inputTokens, tokens }: RateAsk) => {
          const charge = this.rates.chargeTo(limits, inputTokens, tokens)
          return { correct: (used) => this.rates.correct(charge, used) }
        },
        levels: () => this.rates.levels(),
        forgetIdle: () => this.rates.forgetIdle(),
      },
      onOpen: (found) => {
        this.opened = found
      },
    })
  }

  /** A gateway comes with all that it has. @returns how its seat is lost */
  join(name: string, gateway: ClusterPool, ageMs = 0): () => void {
    const seat = this.desk.seat(name, (message: Down) => {
      if (message[0] === 'counters') this.world.counters.note(message[1])
      else gateway.receive(message, this.token, ageMs)
    })
    gateway.attach((message) => seat.handle(message))
    return () => {
      gateway.detach()
      this.desk.left(seat)
    }
  }
}

let serial = 0

export function request(tenantId: string, change: Partial<TicketRequest> = {}): TicketRequest {
  return {
    id: `req_${serial++}`,
    model: 'm',
    tenantId,
    tenantWeight: 1,
    projectId: 'p',
    projectWeight: 1,
    keyId: `k-${tenantId}`,
    userId: `k-${tenantId}`,
    serviceClass: 'standard',
    estimatedInputTokens: 10,
    outputTokensMax: 100,
    waitMsMax: 60_000,
    queueDepthMax: 100,
    tenantConcurrencyMax: null,
    keyConcurrencyMax: null,
    ...change,
  }
}

export function profile(tellsLoad: boolean): EngineProfile {
  return {
    kind: 'gristmill',
    version: null,
    models: [{ name: 'm', contextTokens: 2048, toy: false }],
    cap: CAP,
    capReason: 'set by the test',
    express: 0,
    capacityUnitsPerS: 100,
    takesPriority: true,
    takesCacheSalt: true,
    spare: 0,
    capMost: CAP,
    tokenGapMs: null,
    takesCacheOff: false,
    yieldsBySteps: false,
    tellsLoad,
    advice: null,
  }
}

/** What is due in this moment is done, and what follows from it. */
export async function settle(clock: FakeClock, ms = 0): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve()
  clock.advance(ms)
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

/** Past the questions to engines with which a holder begins. */
export async function opened(holder: Holder): Promise<void> {
  await settle(holder.world.clock, 100)
  await settle(holder.world.clock)
  assert.equal(holder.desk.isOpen, true)
}

export async function stateOf(ticket: Ticket): Promise<string> {
  const waits = Symbol('waits')
  const later = Promise.resolve().then(() => Promise.resolve(waits))
  return await Promise.race([ticket.granted, later]).then(
    (got) => (got === waits ? 'waits' : 'runs'),
    (error: GristmillError) => error.code,
  )
}

export const states = (tickets: Ticket[]) => Promise.all(tickets.map(stateOf))
export const END = { inputTokens: 10, cachedTokens: 0, outputTokens: 5, outcome: 'kept' } as const
