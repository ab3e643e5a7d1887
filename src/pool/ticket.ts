/** One request in the pool: its promise of a slot, and its single end. */
import type { GristmillError } from '../base/index.ts'
import type { EngineCircuit } from './engine-circuit.ts'
import type { PromptSlot, PromptSlots } from './prompt-slots.ts'
import type { TicketState } from './ticket-state.ts'
import type {
  Grant,
  RetryOptions,
  Service,
  Ticket,
  TicketEnd,
  TicketHolder,
  TicketRequest,
} from './types.ts'

/** How far a request is that is taken over from whoever scheduled before. */
export interface Running extends Service {
  engineId: string
}

/** What a ticket needs of the pool. */
export interface TicketOwner {
  readonly scheduler: { raise(ticket: TicketState): void }
  cancelled(ticket: PoolTicket): void
  progressed(ticket: PoolTicket, outputTokens: number): void
  promptWasRead(ticket: PoolTicket, inputTokens: number, cachedTokens: number): void
  finished(ticket: PoolTicket, end: TicketEnd): void
  mayRetry(ticket: PoolTicket): boolean
  resubmit(ticket: PoolTicket, again: RetryOptions): PoolTicket
}

export class PoolTicket implements Ticket {
  readonly request: TicketRequest
  readonly arrivedAtMs: number
  readonly granted: Promise<Grant>
  state: 'waiting' | 'running' | 'ended' = 'waiting'
  engineId: string | undefined
  /** Of its engine. */
  circuit: EngineCircuit | undefined
  /** Requests at its engine when it was sent there, itself among them. */
  runningAtBegin = 0
  holder: TicketHolder | undefined
  /** Its place in the queue, once it has one. */
  queued: TicketState | undefined
  express = false
  /** Where it runs, and by which book; undefined where its engine has chosen. */
  slot: PromptSlot | undefined
  slotBook: PromptSlots | undefined
  dispatchedAtMs = 0
  firstTokenAtMs: number | undefined
  lastTokenAtMs = 0
  outputTokens = 0
  inputTokens: number
  cachedTokens = 0
  /** True once the engine has told of its prompt. */
  wasRead = false
  /** True where it ran before this pool knew of it, so that nobody here can tell its pace. */
  wasAdopted = false
  readonly #owner: TicketOwner
  #resolve!: (grant: Grant) => void
  #reject!: (error: GristmillError) => void

  /** @param arrivedAtMs monotonic time of the first attempt */
  constructor(request: TicketRequest, arrivedAtMs: number, owner: TicketOwner) {
    this.request = request
    this.arrivedAtMs = arrivedAtMs
    this.inputTokens = request.estimatedInputTokens
    this.#owner = owner
    this.granted = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // A refusal may come before the caller looks; it must not count as unhandled.
    this.granted.catch(() => undefined)
  }

  get id(): string {
    return this.request.id
  }

  grant(grant: Grant): void {
    this.state = 'running'
    this.#resolve(grant)
  }

  refuse(error: GristmillError): void {
    if (this.state !== 'waiting') return
    this.state = 'ended'
    this.#reject(error)
  }

  cancel(error: GristmillError): void {
    if (this.state !== 'waiting') return
    this.#owner.cancelled(this)
    this.refuse(error)
  }

  hurry(): void {
    this.request.urgent = true
    if (this.state === 'waiting' && this.queued) this.#owner.scheduler.raise(this.queued)
  }

  mayRetry(): boolean {
    return this.#owner.mayRetry(this)
  }

  retry(again: RetryOptions): PoolTicket {
    this.#mustRun()
    return this.#owner.resubmit(this, again)
  }

  progress(outputTokens: number): void {
    this.#mustRun()
    if (outputTokens > this.outputTokens) this.#owner.progressed(this, outputTokens)
  }

  promptRead(inputTokens: number, cachedTokens: number): void {
    this.#mustRun()
    this.#owner.promptWasRead(this, inputTokens, cachedTokens)
  }

  finish(end: TicketEnd): void {
    this.#mustRun()
    this.#owner.finished(this, end)
  }

  #mustRun(): void {
    if (this.state !== 'running') throw new Error(`ticket ${this.id} is ${this.state}`)
  }
}

/** What the scheduler knows a ticket by that it has accepted. */
export function placeOf({ id, queued }: PoolTicket): TicketState {
  if (queued === undefined) throw new Error(`ticket ${id} was never queued`)
  return queued
}

/** What a request that failed on an engine asks for now. */
export function retryOf({ request, engineId }: PoolTicket, model = request.model): TicketRequest {
  return { ...request, model, ...(engineId !== undefined && { avoidEngineId: engineId }) }
}
