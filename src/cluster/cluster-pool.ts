/**
 * The pool as the gateway sees it where several share a database: hands its tickets to whoever
 * schedules, itself or another gateway, and offers them anew to the next one.
 */
import { type Clock, GristmillError } from '../base/index.ts'
import type { Engine } from '../engine/index.ts'
import {
  RetryBudgets,
  type RetryOptions,
  type TicketRequest,
  waitedTooLong,
} from '../pool/index.ts'
import { ClusterTicket, type ClusterTicketOwner } from './cluster-ticket.ts'
import type { Down, GrantWords, RefusalWords, TicketNumber, Up } from './messages.ts'
import { TokenFence } from './token-fence.ts'

/** A grant that is older came from a holder that may have given the place to somebody else. */
export const GRANT_MS_MAX = 1500
/** Requests wait so long for a holder, which is longer than a takeover takes. */
const HOLDERLESS_MS_MAX = 6000
const RETRY_AFTER_MS = 2000
/** Before it is asked again where a grant was given back. */
const AGAIN_MS = 250

export interface ClusterPoolOptions {
  clock: Clock
  engineOf: (engineId: string) => Engine | undefined
  /** Requests that the engines behind a queue run at once. */
  placesOf: (model: string) => number
  hasChoice: (model: string) => boolean
  asksBeginnings: (model: string) => boolean
}

export class ClusterPool implements ClusterTicketOwner {
  readonly fence = new TokenFence()
  readonly #options: ClusterPoolOptions
  readonly #tickets = new Map<TicketNumber, ClusterTicket>()
  readonly #retries = new RetryBudgets()
  #next: TicketNumber = 1
  #tell: ((message: Up) => void) | undefined
  #holderlessSinceMs: number

  constructor(options: ClusterPoolOptions) {
    this.#options = options
    this.#holderlessSinceMs = options.clock.monotonicMs()
  }

  get isAttached(): boolean {
    return this.#tell !== undefined
  }

  /** False once requests would wait for a holder in vain. */
  get hasHope(): boolean {
    const { clock } = this.#options
    return this.isAttached || clock.monotonicMs() - this.#holderlessSinceMs < HOLDERLESS_MS_MAX
  }

  get size(): number {
    return this.#tickets.size
  }

  submit(request: TicketRequest): ClusterTicket {
    const nowMs = this.#options.clock.monotonicMs()
    const ticket = this.#create(request, request.arrivedAtMs ?? nowMs)
    if (!this.hasHope) ticket.refuse(nobodySchedules())
    else if (this.#tell !== undefined) {
      this.#tell(['ask', ticket.number, ticket.offer(nowMs)])
      taken(ticket)
    }
    return ticket
  }

  hasChoice(model: string): boolean {
    return this.#options.hasChoice(model)
  }

  asksBeginnings(model: string): boolean {
    return this.#options.asksBeginnings(model)
  }

  /** From now on `tell` reaches whoever schedules; what runs and waits is told first. */
  attach(tell: (message: Up) => void): void {
    const nowMs = this.#options.clock.monotonicMs()
    this.#tell = tell
    for (const ticket of [...this.#tickets.values()]) {
      const kind = ticket.state === 'running' ? 'run' : 'ask'
      tell([kind, ticket.number, ticket.offer(nowMs)])
      taken(ticket)
    }
    tell(['ready'])
  }

  /** Nobody schedules, as far as is known here. What runs goes on. */
  detach(): void {
    if (this.#tell === undefined) return
    this.#tell = undefined
    this.#holderlessSinceMs = this.#options.clock.monotonicMs()
  }

  /**
   * Takes what whoever schedules has decided.
   * @param token of its lease
   * @param ageMs upper bound of the time since it was sent
   */
  receive(message: Down, token: number, ageMs: number): void {
    if (message[0] === 'grant') this.#granted(message[1], message[2], token, ageMs)
    else if (message[0] === 'refuse') this.#tickets.get(message[1])?.refuse(errorOf(message[2]))
    else if (message[0] === 'lost') {
      const ticket = this.#tickets.get(message[1])
      if (ticket?.state === 'running') ticket.holder?.engineLost(message[2])
    }
  }

  /** Ends the wait of those that nobody schedules; to be called now and then. */
  tick(): void {
    if (this.#tell !== undefined) return
    const nowMs = this.#options.clock.monotonicMs()
    const isHopeless = !this.hasHope
    for (const ticket of [...this.#tickets.values()]) {
      if (ticket.state !== 'waiting') continue
      if (isHopeless) ticket.refuse(nobodySchedules())
      else if (nowMs - ticket.arrivedAtMs > ticket.request.waitMsMax) {
        ticket.refuse(waitedTooLong(ticket.request, false, RETRY_AFTER_MS))
      }
    }
  }

  // What tickets ask of it

  tell(message: Up): void {
    this.#tell?.(message)
  }

  forget(ticket: ClusterTicket): void {
    this.#tickets.delete(ticket.number)
  }

  again(ticket: ClusterTicket, options: RetryOptions): ClusterTicket {
    this.#tickets.delete(ticket.number)
    const { request, engineId, arrivedAtMs } = ticket
    const { model = request.model } = options
    const wanted = { ...request, model, ...(engineId !== undefined && { avoidEngineId: engineId }) }
    const next = this.#create(wanted, arrivedAtMs)
    next.wasOffered = true
    this.#tell?.(['again', ticket.number, next.number, options])
    return next
  }

  mayRetry({ request }: ClusterTicket): boolean {
    const { clock, placesOf } = this.#options
    return this.#retries.take(request.model, clock.monotonicMs(), 0, placesOf(request.model))
  }

  #create(request: TicketRequest, arrivedAtMs: number): ClusterTicket {
    const ticket = new ClusterTicket(this.#next++, request, arrivedAtMs, this)
    this.#tickets.set(ticket.number, ticket)
    return ticket
  }

  #granted(number: TicketNumber, words: GrantWords, token: number, ageMs: number): void {
    const ticket = this.#tickets.get(number)
    // Whoever left has said so already, and its place goes back with that.
    if (ticket?.state !== 'waiting') return
    const { engineId, ...grant } = words
    const engine = this.#options.engineOf(engineId)
    const isGood = this.fence.accepts(token) && ageMs <= GRANT_MS_MAX
    if (isGood && engine !== undefined) ticket.grant({ ...grant, engine })
    else this.#decline(ticket)
  }

  /** Gives the place back and waits again, where it still matters to who gave it. */
  #decline(ticket: ClusterTicket): void {
    const { number } = ticket
    this.tell(['leave', number])
    this.#options.clock.after(AGAIN_MS, () => {
      if (ticket.state !== 'waiting' || this.#tell === undefined) return
      this.#tell(['ask', number, ticket.offer(this.#options.clock.monotonicMs())])
    })
  }
}

/** Whoever is asked has it now: its bounds were kept to and its rates charged. */
function taken(ticket: ClusterTicket): void {
  ticket.wasOffered = true
  const { rates } = ticket.request
  if (rates !== undefined) rates.wasAsked = true
}

function nobodySchedules(): GristmillError {
  return new GristmillError('no_scheduler', {}, { retryAfterMs: RETRY_AFTER_MS })
}

function errorOf({ code, details, retryAfterMs }: RefusalWords): GristmillError {
  return new GristmillError(code, details, retryAfterMs === undefined ? {} : { retryAfterMs })
}
