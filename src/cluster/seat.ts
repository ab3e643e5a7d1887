/**
 * One gateway at the desk of the one that schedules: carries what it asks for into the pool and
 * what the pool decides back. The holder itself has a seat as well.
 */
import { GristmillError } from '../base/index.ts'
import type { Grant, Pool, PoolTicket, RateAsk, TicketEnd, TicketRequest } from '../pool/index.ts'
import type { Down, GrantWords, Offer, RefusalWords, TicketNumber, Up } from './messages.ts'

/** What a seat needs of the desk. */
export interface SeatOwner {
  readonly pool: Pool
  nowMs(): number
  /** While requests are counted, those that wait are kept until all are there. */
  queue(seat: Seat, number: TicketNumber, offer: Offer): void
  /** One that is kept has left. */
  unqueue(seat: Seat, number: TicketNumber): void
  /** A request of which nobody told is there. */
  found(engineId: string): void
  /** Nobody tells of these requests any more. */
  lost(engineId: string, places: number): void
  ready(seat: Seat): void
  /** @throws GristmillError `tokens_per_minute_exceeded`, `requests_too_large_for_limit` */
  charge(ask: RateAsk): Charged
}

/** What was charged, to be corrected. */
export interface Charged {
  correct(tokens: number): void
}

export class Seat {
  readonly gatewayId: string
  /** Engines that answer its gateway; of one of an earlier version, none that is known. */
  reach = 0
  readonly #owner: SeatOwner
  readonly #send: (message: Down) => void
  readonly #tickets = new Map<TicketNumber, PoolTicket>()
  readonly #charged = new Map<RateAsk['id'], Charged>()
  #isLeft = false

  constructor(gatewayId: string, owner: SeatOwner, send: (message: Down) => void) {
    this.gatewayId = gatewayId
    this.#owner = owner
    this.#send = send
  }

  handle(message: Up): void {
    // What was still on its way is told again over the connection that follows.
    if (this.#isLeft) return
    const { pool } = this.#owner
    if (message[0] === 'ask') this.#owner.queue(this, message[1], message[2])
    else if (message[0] === 'run') this.#adopt(message[1], message[2])
    else if (message[0] === 'ready') this.#owner.ready(this)
    else if (message[0] === 'rated') pool.quotas.heard(message[1], message[2])
    else if (message[0] === 'used') this.#correct(message[1], message[2])
    else if (message[0] === 'reach') this.reach = message[1]
    else this.#note(message)
  }

  /** Queues a request; its charge to rates decides first whether it may. */
  ask(number: TicketNumber, offer: Offer): void {
    if (this.#tickets.has(number)) return
    try {
      const { rates } = offer
      if (rates !== undefined) this.#charged.set(rates.id, this.#owner.charge(rates))
    } catch (error) {
      this.#refuse(number, error)
      return
    }
    this.#watch(number, this.#owner.pool.submit(requestOf(offer, this.#owner.nowMs())))
  }

  send(message: Down): void {
    this.#send(message)
  }

  /** Requests that run, by engine. */
  running(): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const { state, engineId } of this.#tickets.values()) {
      if (state === 'running' && engineId !== undefined) {
        counts[engineId] = (counts[engineId] ?? 0) + 1
      }
    }
    return counts
  }

  /** Its gateway cannot be reached any more: it will offer again what it still has. */
  left(): void {
    if (this.#isLeft) return
    this.#isLeft = true
    for (const [engineId, places] of Object.entries(this.running())) {
      this.#owner.lost(engineId, places)
    }
    for (const ticket of this.#tickets.values()) {
      if (ticket.state === 'running') ticket.finish(UNSEEN)
      else ticket.cancel(new GristmillError('no_scheduler'))
    }
    this.#tickets.clear()
  }

  /** What its gateway tells of a ticket. */
  #note(message: Exclude<Up, ['ready'] | ['reach', number] | ['rated', ...unknown[]]>): void {
    const number = message[1]
    if (message[0] === 'end') this.#end(number, message[2])
    else if (message[0] === 'leave') this.#leave(number)
    else if (message[0] === 'hurry') this.#tickets.get(number)?.hurry()
    else if (message[0] === 'progress') this.#runningAt(number)?.progress(message[2])
    else if (message[0] === 'read') this.#runningAt(number)?.promptRead(message[2], message[3])
    else if (message[0] === 'again') {
      const next = this.#runningAt(number)?.retry(message[3])
      this.#tickets.delete(number)
      if (next !== undefined) this.#watch(message[2], next)
    }
  }

  #correct(askId: RateAsk['id'], tokens: number): void {
    this.#charged.get(askId)?.correct(tokens)
    this.#charged.delete(askId)
  }

  #adopt(number: TicketNumber, offer: Offer): void {
    const { engineId, inputTokens = 0, cachedTokens = 0, outputTokens = 0 } = offer
    if (engineId === undefined || this.#tickets.has(number)) return
    const { pool } = this.#owner
    const received = { engineId, inputTokens, cachedTokens, outputTokens }
    const ticket = pool.adopt(requestOf(offer, this.#owner.nowMs()), received)
    this.#hold(number, ticket)
    this.#owner.found(engineId)
  }

  #watch(number: TicketNumber, ticket: PoolTicket): void {
    this.#hold(number, ticket)
    ticket.granted.then(
      (grant) => {
        if (this.#tickets.get(number) !== ticket || ticket.state !== 'running') return
        this.#send(['grant', number, wordsOf(grant)])
      },
      (error: unknown) => {
        if (this.#tickets.get(number) !== ticket) return
        this.#tickets.delete(number)
        this.#refuse(number, error)
      },
    )
  }

  #hold(number: TicketNumber, ticket: PoolTicket): void {
    this.#tickets.set(number, ticket)
    ticket.holder = { engineLost: (hasPeer) => this.#send(['lost', number, hasPeer]) }
  }

  #end(number: TicketNumber, end: TicketEnd): void {
    const ticket = this.#runningAt(number)
    this.#tickets.delete(number)
    ticket?.finish(end)
  }

  /** It left while it waited there; here it may run by now. */
  #leave(number: TicketNumber): void {
    this.#owner.unqueue(this, number)
    const ticket = this.#tickets.get(number)
    this.#tickets.delete(number)
    if (ticket?.state !== 'running') {
      ticket?.cancel(new GristmillError('no_scheduler'))
      return
    }
    // Its tenant is not charged for a prompt that no engine was given.
    ticket.promptRead(0, 0)
    ticket.finish(UNSEEN)
  }

  #refuse(number: TicketNumber, error: unknown): void {
    this.#send(['refuse', number, refusalOf(error)])
  }

  #runningAt(number: TicketNumber): PoolTicket | undefined {
    const ticket = this.#tickets.get(number)
    return ticket?.state === 'running' ? ticket : undefined
  }
}

/** Nothing is known of what its engine did. */
const UNSEEN: TicketEnd = {
  inputTokens: 0,
  cachedTokens: 0,
  outputTokens: 0,
  outcome: 'late',
}

function requestOf(offer: Offer, nowMs: number): TicketRequest {
  return {
    ...offer.request,
    waitMsMax: offer.waitMsMax ?? Number.POSITIVE_INFINITY,
    queueDepthMax: offer.queueDepthMax ?? Number.POSITIVE_INFINITY,
    arrivedAtMs: nowMs - offer.ageMs,
  }
}

function wordsOf({ engine, ...grant }: Grant): GrantWords {
  return { ...grant, engineId: engine.id }
}

function refusalOf(error: unknown): RefusalWords {
  if (!(error instanceof GristmillError)) throw error
  const { code, details, retryAfterMs } = error
  return { code, details, retryAfterMs }
}
