/**
 * A request as its own gateway knows it, whoever schedules it: it survives a change of the holder,
 * since it knows all that the next one has to be told.
 */
import type { GristmillError } from '../base/index.ts'
import type {
  Grant,
  RetryOptions,
  Ticket,
  TicketEnd,
  TicketHolder,
  TicketRequest,
} from '../pool/index.ts'
import type { Offer, TicketNumber, Up } from './messages.ts'

/** What a ticket needs of the gateway's side of the pool. */
export interface ClusterTicketOwner {
  /** Tells whoever schedules; nothing where nobody does, who is told all by an offer later. */
  tell(message: Up): void
  /** It has ended or left. */
  forget(ticket: ClusterTicket): void
  again(ticket: ClusterTicket, options: RetryOptions): ClusterTicket
  mayRetry(ticket: ClusterTicket): boolean
}

export class ClusterTicket implements Ticket {
  readonly number: TicketNumber
  readonly request: TicketRequest
  /** Monotonic, of this gateway. */
  readonly arrivedAtMs: number
  readonly granted: Promise<Grant>
  holder: TicketHolder | undefined
  state: 'waiting' | 'running' | 'ended' = 'waiting'
  engineId: string | undefined
  inputTokens: number
  cachedTokens = 0
  outputTokens = 0
  /** True once somebody who schedules has taken it. */
  wasOffered = false
  readonly #owner: ClusterTicketOwner
  #resolve!: (grant: Grant) => void
  #reject!: (error: GristmillError) => void

  constructor(
    number: TicketNumber,
    request: TicketRequest,
    arrivedAtMs: number,
    owner: ClusterTicketOwner,
  ) {
    this.number = number
    this.request = request
    this.arrivedAtMs = arrivedAtMs
    this.inputTokens = request.estimatedInputTokens
    this.#owner = owner
    this.granted = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.granted.catch(() => undefined)
  }

  get id(): string {
    return this.request.id
  }

  grant(grant: Grant): void {
    this.state = 'running'
    this.engineId = grant.engine.id
    this.#resolve(grant)
  }

  refuse(error: GristmillError): void {
    if (this.state !== 'waiting') return
    this.state = 'ended'
    this.#owner.forget(this)
    this.#reject(error)
  }

  cancel(error: GristmillError): void {
    if (this.state !== 'waiting') return
    this.#owner.tell(['leave', this.number])
    this.refuse(error)
  }

  hurry(): void {
    this.request.urgent = true
    if (this.state === 'waiting') this.#owner.tell(['hurry', this.number])
  }

  mayRetry(): boolean {
    return this.#owner.mayRetry(this)
  }

  retry(options: RetryOptions): Ticket {
    this.#mustRun()
    this.state = 'ended'
    return this.#owner.again(this, options)
  }

  progress(outputTokens: number): void {
    this.#mustRun()
    if (outputTokens <= this.outputTokens) return
    this.outputTokens = outputTokens
    this.#owner.tell(['progress', this.number, outputTokens])
  }

  promptRead(inputTokens: number, cachedTokens: number): void {
    this.#mustRun()
    this.inputTokens = inputTokens
    this.cachedTokens = cachedTokens
    this.#owner.tell(['read', this.number, inputTokens, cachedTokens])
  }

  finish(end: TicketEnd): void {
    this.#mustRun()
    this.state = 'ended'
    this.#owner.tell(['end', this.number, end])
    this.#owner.forget(this)
  }

  /** What whoever schedules has to know of it. */
  offer(nowMs: number): Offer {
    const { arrivedAtMs: _, waitMsMax, queueDepthMax, rates, ...request } = this.request
    const offer: Offer = {
      request,
      waitMsMax: boundOf(waitMsMax),
      queueDepthMax: boundOf(queueDepthMax),
      ageMs: nowMs - this.arrivedAtMs,
    }
    if (this.wasOffered) offer.request.wasAccepted = true
    if (rates?.wasAsked === false) offer.rates = rates
    if (this.state !== 'running' || this.engineId === undefined) return offer
    const { engineId, inputTokens, cachedTokens, outputTokens } = this
    return { ...offer, engineId, inputTokens, cachedTokens, outputTokens }
  }

  #mustRun(): void {
    if (this.state !== 'running') throw new Error(`ticket ${this.id} is ${this.state}`)
  }
}

const boundOf = (bound: number) => (Number.isFinite(bound) ? bound : null)
