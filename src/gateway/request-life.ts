/**
 * One request from its ticket to its single end. Whatever happens (done, refused, client gone,
 * engine failed, time over, key revoked, shutdown) goes through `#end`, once: there the slot goes
 * back, the client gets its last word, and the ledger its settlement.
 */
import type { IncomingHttpHeaders } from 'node:http'
import {
  GristmillError,
  NOT_LISTED,
  type RosterMember,
  toGristmillError,
  wireTier,
} from '../base/index.ts'
import type { EngineCall, EngineFailure } from '../engine/index.ts'
import type { AttemptFailure, EndReason, Hold, TokenCounts } from '../meter/index.ts'
import type { Grant, Ticket, TicketHolder, TicketRequest } from '../pool/index.ts'
import { AnswerBound } from './answer-bound.ts'
import { withBudget } from './budget-request.ts'
import { outputTokensMax } from './canonical.ts'
import { hasUsedUp, lengthEnd, timeUsedUp } from './early-end.ts'
import { failureError, failureOfStatus, type Refusal, refusalOf } from './engine-errors.ts'
import { engineRequest, relayFor } from './engine-request.ts'
import { type GuardedOwner, ownerBehind } from './guards/owner.ts'
import { intentOf } from './intent.ts'
import { LifeProgress } from './life-progress.ts'
import type { LifeOptions, LifeServices } from './life-types.ts'
import { PacedReply } from './paced-reply.ts'
import { inOwnWords } from './refused.ts'
import { answerHeaders, type ReplyHeaders } from './reply.ts'
import { delayAfterRefusal, mayAskAgain, type Tried } from './retries.ts'

/** Runs a step after those that are due already; far cheaper than `queueMicrotask`. */
const soon = Promise.resolve()

interface EndDetail {
  refusal?: Refusal
  usage?: TokenCounts | null
  failure?: AttemptFailure | undefined
}

export class RequestLife implements GuardedOwner, RosterMember, TicketHolder {
  rosterIndex = NOT_LISTED
  readonly options: LifeOptions
  readonly progress: LifeProgress
  readonly tier: string
  readonly choices: number
  readonly includeUsage: boolean
  readonly answerBytesMax: number
  isDurable = false
  /** True once `ledger.open` was called and has not failed. */
  isOnLedger = false
  readonly #services: LifeServices
  readonly #reply: PacedReply
  #state: 'waiting' | 'running' | 'ended' = 'waiting'
  #asked!: TicketRequest
  #ticket: Ticket | undefined
  #grant: Grant | undefined
  #call: EngineCall | undefined
  #attempts = 0
  /** True once the client has seen a byte of an answer. */
  #hasSent = false
  #bound!: AnswerBound
  /** Of an answer that is whole, and is still being looked at. */
  #usage: TokenCounts | null = null
  #onDurable: (() => void) | undefined

  constructor(services: LifeServices, options: LifeOptions) {
    const { request, standing } = options
    this.#services = services
    this.options = options
    this.tier = wireTier(standing.serviceClass)
    this.choices = request.choices
    this.includeUsage = request.includeUsage
    this.answerBytesMax = services.limits.answerBytesMax
    this.#reply = new PacedReply({
      reply: options.reply,
      clock: services.clock,
      limits: services.limits,
      isStream: request.stream,
      arrivedMonotonicMs: options.arrivedMonotonicMs,
      headers: () => this.#headers(),
    })
    this.progress = new LifeProgress(standing.serviceClass)
  }

  get isEnded(): boolean {
    return this.#state === 'ended'
  }

  get isWaiting(): boolean {
    return this.#state === 'waiting'
  }

  /** Asks for a slot and, unless that is refused at once, books the intent meanwhile. */
  begin(ticketRequest: TicketRequest): void {
    this.#asked = ticketRequest
    this.#await(this.#services.pool.submit(ticketRequest))
    void soon.then(() => this.#openIntent())
  }

  // Ends that come from outside

  /** Goes over to a rented target, where its allowance covers the most that it can cost. */
  rent(): boolean {
    const { course, request } = this.options
    if (this.#state !== 'waiting' || course === undefined) return false
    if (!course.rent(request, this.#asked.outputTokensMax)) return false
    this.#requeue(course.queue)
    return true
  }

  /** Waits for own engines again where the rented target is not up any more. */
  comeBack(): void {
    const { course } = this.options
    if (this.#state === 'waiting' && course?.comeBack() === true) this.#requeue(course.queue)
  }

  clientGone(): void {
    this.#end('client_gone')
  }

  hurry(): void {
    this.#ticket?.hurry()
  }

  /** Ends it with an error: a status where none is out, else an event. */
  cut(reason: EndReason, error: GristmillError): void {
    this.#end(reason, { refusal: error })
  }

  /** Called every 100 ms: the few things that happen by time. */
  tick(nowMs: number): void {
    if (this.#state === 'running') {
      this.#reportProgress()
      const { hold } = this.options
      if (hold !== null && hasUsedUp(hold, this.progress, nowMs)) this.#endEarly(hold)
    }
    if (!this.#reply.tick(nowMs, this.isDurable)) this.#end('client_gone')
  }

  /** Ends it with what there is. */
  #endEarly(hold: Hold): void {
    const { request, requestId, arrivedAtMs } = this.options
    if (request.stream && this.isDurable && !request.ownWords?.isPassing) {
      this.#reply.end(lengthEnd(request, requestId, arrivedAtMs, 'budget'))
      this.#end('budget')
    } else this.#end('budget', { refusal: timeUsedUp(hold) })
  }

  // The ticket

  #await(ticket: Ticket): void {
    this.#state = 'waiting'
    this.#call = this.#grant = undefined
    this.#ticket = ticket
    ticket.holder = this
    ticket.granted.then(
      (grant) => this.#granted(ticket, grant),
      (error: GristmillError) => {
        if (ticket === this.#ticket) this.#refused(error)
      },
    )
  }

  #requeue(model: string): void {
    // First, since the pool knows both by the same name.
    this.#ticket?.cancel(new GristmillError('shutting_down'))
    this.#await(this.#services.pool.submit({ ...this.#asked, model }))
  }

  #granted(ticket: Ticket, grant: Grant): void {
    if (this.#state === 'ended' || ticket !== this.#ticket) {
      ticket.finish({ inputTokens: 0, cachedTokens: 0, outputTokens: 0, outcome: 'client_gone' })
      return
    }
    this.#state = 'running'
    this.#grant = grant
    this.#bound = new AnswerBound(this.#services.bounds, this.options.outputTokensDefault)
    this.progress.queueMs = Math.round(grant.queueMs)
    this.#dispatch(grant)
  }

  #refused(error: GristmillError): void {
    const { course } = this.options
    if (error.code === 'no_healthy_engine') {
      if (course?.advance()) {
        this.#requeue(course.queue)
        return
      }
      if (this.rent()) return
    }
    const reason = error.code === 'wait_limit_exceeded' ? 'timeout' : 'refused'
    this.#end(reason, { refusal: inOwnWords(error, this.options) })
  }

  // The ledger

  #openIntent(): void {
    if (this.#state === 'ended') return
    this.isOnLedger = true
    const tokensMax = outputTokensMax(this.options.request, this.options.outputTokensDefault)
    const open = this.#services.ledger.open(intentOf(this.options, tokensMax))
    open.then(
      () => this.#durable(),
      (error: GristmillError) => {
        this.isOnLedger = false
        this.#end('refused', { refusal: error })
      },
    )
  }

  #durable(): void {
    this.isDurable = true
    const run = this.#onDurable
    this.#onDurable = undefined
    if (this.#state !== 'ended') run?.()
  }

  // The engine

  #dispatch(grant: Grant): void {
    try {
      this.#send(grant)
    } catch (thrown) {
      if (!this.#isTakenBack()) this.#end('refused', { refusal: toGristmillError(thrown) })
    }
  }

  #send(grant: Grant): void {
    const { principal, requestId, course } = this.options
    const request = course?.atTarget(this.options.request) ?? this.options.request
    const { clock, salts } = this.#services
    const bound = this.#bound.toldTo(grant.engine.id, course?.target.model ?? request.model)
    const told = { ...bound, salt: salts.of(principal.tenantId) }
    this.#attempts++
    this.progress.dispatched(grant.engine.id, clock.monotonicMs())
    const sent = engineRequest(requestId, request, grant, told)
    const { guarding } = this.options
    const owner = guarding === null ? this : ownerBehind(guarding, request, this)
    const call = grant.engine.dispatch(sent, relayFor(request, owner))
    if (this.#state === 'running') this.#call = call
    else call.abort()
  }

  whenDurable(run: () => void): void {
    this.#onDurable = run
  }

  resumeEngine(): void {
    this.#call?.resume()
  }

  contentReceived(frames: number): void {
    const { clock } = this.#services
    if (this.progress.received(frames, clock.monotonicMs(), this.options)) this.#reportProgress()
  }

  /** Charges the tenant and notes for the ledger what came; ten times a second, not per chunk. */
  #reportProgress(): void {
    const { progress } = this
    if (!progress.isNews()) return
    this.#ticket?.progress(progress.outputTokens)
    this.#services.ledger.progress(this.options.requestId, progress)
  }

  sendEvents(bytes: Buffer): boolean {
    this.#hasSent = true
    return this.#reply.write(bytes, this.progress.lastContentAtMs, this)
  }

  streamDone(bytes: Buffer, usage: TokenCounts | null): void {
    this.#reply.end(bytes)
    this.#end('done', { usage })
  }

  streamFailed(bytes: Buffer, failure: EngineFailure): void {
    this.#reply.end(bytes)
    this.engineFailed(failure, true)
  }

  answerDone(body: Buffer, usage: TokenCounts | null): void {
    this.#reply.send(body, ['x-gristmill-cached', usage?.cachedTokens ?? 0])
    this.#end('done', { usage })
  }

  answerIsWhole(usage: TokenCounts | null): void {
    this.#call = undefined
    this.#usage = usage
  }

  streamStopped(bytes: Buffer): void {
    this.#reply.end(bytes)
    this.#end('refused')
  }

  answerUnchecked(refusal: GristmillError, usage: TokenCounts | null): void {
    this.#end('refused', { refusal, usage })
  }

  engineRefused(status: number, headers: IncomingHttpHeaders, body: Buffer): void {
    const grant = this.#grant
    if (grant === undefined || this.#state !== 'running') return
    this.#call = undefined
    if (this.#bound.isMended(status, body)) {
      this.#dispatch(grant)
      return
    }
    const delayMs = delayAfterRefusal(status, this.#tried)
    if (delayMs === 0) this.#retry(`status_${status}`)
    else if (delayMs !== null) {
      this.#services.clock.after(delayMs, () => this.#retry(`status_${status}`))
    } else if (!this.#isTakenBack()) {
      const { request, reply, requestId } = this.options
      // A stream that has begun can only be told in events, which ours are.
      if (reply.isBegun && request.ownWords) request.ownWords.isPassing = false
      const refusal = refusalOf(status, headers, body, requestId, request.ownWords)
      this.#end('refused', { refusal, failure: failureOfStatus(status) })
    }
  }

  engineFailed(failure: EngineFailure, hadBytes: boolean): void {
    if (this.#state !== 'running') return
    const { kind } = failure
    const isPassing = kind === 'unreachable' || kind === 'broken'
    if (isPassing && !hadBytes && mayAskAgain(this.#tried)) this.#retry(kind)
    else {
      const reason = kind === 'timeout' ? 'timeout' : 'engine_failed'
      const cause = kind === 'aborted' ? undefined : kind
      this.#end(reason, { refusal: failureError(failure), failure: cause })
    }
  }

  engineLost(hasPeer: boolean): void {
    const call = this.#call
    // What waits for the ledger has bytes already.
    if (call === undefined || this.#hasSent || this.#onDurable !== undefined) return
    if (!hasPeer && this.options.course?.advance() !== true) return
    this.#retry('withdrawn')
    call.abort()
  }

  get #tried(): Tried {
    const { course, request } = this.options
    const { pool } = this.#services
    const queue = course?.queue ?? request.model
    return { attempts: this.#attempts, ticket: this.#ticket, course, queue, pool }
  }

  /** Gives the slot back and queues again at the old place. */
  #retry(failure: AttemptFailure): void {
    if (this.#state !== 'running' || this.#ticket === undefined) return
    this.#await(this.#ticket.retry({ model: this.options.course?.queue, failure }))
  }

  /** Own engines may take what a rented target does not, which is no failure of the target. */
  #isTakenBack(): boolean {
    const { course } = this.options
    if (course?.isOverflowing !== true || !course.advance()) return false
    this.#ticket?.finish({ inputTokens: 0, cachedTokens: 0, outputTokens: 0, outcome: 'late' })
    this.#await(this.#services.pool.submit({ ...this.#asked, model: course.queue }))
    return true
  }

  // The end

  #headers(): ReplyHeaders {
    const { standing, course, hold } = this.options
    const queueMs = this.#grant === undefined ? null : this.progress.queueMs
    const headers = answerHeaders(standing.serviceClass, queueMs, course)
    return hold === null ? headers : withBudget(headers, hold)
  }

  #end(reason: EndReason, how: EndDetail = {}): void {
    if (this.#state === 'ended') return
    const wasRunning = this.#state === 'running'
    const call = this.#call
    const { refusal } = how
    this.#state = 'ended'
    this.#onDurable = this.#call = undefined
    // The rest of an answer that is done is read, so that its connection can be used again.
    call?.[reason === 'done' ? 'resume' : 'abort']()
    if (refusal !== undefined) this.#reply.refuse(refusal)
    this.#services.ended(this, {
      reason,
      usage: how.usage ?? this.#usage,
      grant: wasRunning ? (this.#grant ?? null) : null,
      wasCut: wasRunning && call !== undefined && reason !== 'done',
      error: refusal instanceof GristmillError ? refusal : null,
      engineStatus:
        refusal === undefined || refusal instanceof GristmillError ? null : refusal.status,
      failure: how.failure,
    })
  }

  /** The ticket, for the booking of the end. */
  get ticket(): Ticket | undefined {
    return this.#ticket
  }
}
