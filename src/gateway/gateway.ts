/**
 * The way in: takes authenticated requests of every wire, refuses what must be refused before a
 * slot is asked for, and keeps the list of what is open, for time limits, revocation and shutdown.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { type Timer, toGristmillError } from '../base/index.ts'
import type { Principal } from '../tenancy/index.ts'
import type { Admission, Arrival } from './admission.ts'
import { BoundNames } from './answer-bound.ts'
import { KeptAnswers } from './answers/kept-answers.ts'
import { Recordings } from './answers/recordings.ts'
import { readBody } from './body.ts'
import { Booking } from './booking.ts'
import type { CanonicalRequest, DoorPath } from './canonical.ts'
import {
  COUNT_TOKENS,
  errorShapeOf,
  RESPONSES,
  type ReadAtDoor,
  readAtDoor,
  speaksAnthropic,
} from './doors.ts'
import { CacheSalts } from './engine-body.ts'
import { Entrance, shuttingDown } from './entrance.ts'
import { GatewayMetrics } from './gateway-metrics.ts'
import { Guards } from './guards/guards.ts'
import { LaterLine, runningLine } from './later-line.ts'
import type { LifeServices } from './life-types.ts'
import { LineReply, type LineRequest, type RunningLine } from './line.ts'
import { LiveRequests } from './live-requests.ts'
import { MODELS, modelFor, modelsAt } from './model-list.ts'
import { overflow } from './overflow.ts'
import { HttpReply, type Reply } from './reply.ts'
import type { RequestLife } from './request-life.ts'
import { Conversations, type QueuedBody } from './responses/conversations.ts'
import { routedModels } from './routed-models.ts'
import { sessionIdOf } from './session-id.ts'
import { type Standing, standingOf } from './standing.ts'
import { Starting } from './starting.ts'
import { countTokens } from './token-count.ts'
import { type RateLimiter, TokenRates } from './token-rate.ts'
import { replyAt } from './translated-reply.ts'
import type { GatewayOptions, ModelDirectory } from './types.ts'

const TICK_MS = 100
const TICKS_PER_MINUTE = 600
const TICKS_PER_OVERFLOW = 3
/** What all that a request waits for before it asks for a slot takes at most, its budget apart. */
const STARTED_WITHIN_MS = 600_000

type MaybeLater<Value> = Value | Promise<Value>

export class Gateway {
  readonly #options: GatewayOptions
  readonly #services: LifeServices
  /** What clients can name: routes and models. */
  readonly #models: ModelDirectory
  readonly #booking: Booking
  readonly #rates: RateLimiter
  readonly #recordings: Recordings
  readonly #conversations: Conversations
  readonly #live: LiveRequests
  readonly #entrance: Entrance
  readonly #guards: Guards
  readonly #starting: Starting
  /** Refuses those that wait for a guard or a budget. */
  readonly #beginning = new Set<(thrown: unknown) => void>()
  readonly #timer: Timer
  #ticks = 0

  constructor(options: GatewayOptions) {
    const { clock, registry, pool, ledger, limits } = options
    this.#options = options
    this.#models = routedModels(options.models, options.routes)
    this.#rates = options.rates ?? new TokenRates(clock)
    const admission: Admission = {
      ...options,
      models: this.#models,
      engineModels: options.models,
      rates: this.#rates,
    }
    this.#live = new LiveRequests(clock)
    this.#entrance = new Entrance(ledger, limits, this.#live.roster)
    const kept = new KeptAnswers(clock, limits.keptBytesMax)
    const metrics = new GatewayMetrics(
      registry,
      () => this.#entrance.open,
      () => kept.bytes,
    )
    this.#guards = new Guards(options, metrics)
    this.#recordings = new Recordings({ ...options, models: this.#models, metrics }, kept)
    this.#conversations = new Conversations(options)
    this.#booking = new Booking({ ...options, metrics, rates: this.#rates })
    this.#services = {
      pool,
      ledger,
      clock,
      limits,
      salts: new CacheSalts(options.saltSecret),
      bounds: new BoundNames(),
      ended: (life, end) => {
        this.#live.roster.delete(life)
        this.#booking.end(life, end)
        life.options.recording?.ended(end)
        this.#live.left()
      },
    }
    this.#starting = new Starting(this.#services, admission, options.budgets, this.#live)
    this.#timer = clock.every(TICK_MS, () => this.#tick())
  }

  /** Answers an authenticated request below `/v1/`, errors included. */
  handle(
    request: IncomingMessage,
    response: ServerResponse,
    principal: Principal,
    requestId: string,
  ): void {
    // Its client has gone while it was found out who it is, and will not go again.
    if (response.closed) return
    const { limits, clock } = this.#options
    const path = pathOf(request)
    const { headers } = request
    const errors = errorShapeOf(path, headers)
    const reply = new HttpReply(response, requestId, limits.streamBufferBytesMax, errors)
    const keeps = path === RESPONSES && principal.policy.responseDays > 0
    const arrivedAtMs = clock.nowMs()
    const arrivedMonotonicMs = clock.monotonicMs()
    let life: RequestLife | undefined
    this.#entrance.open++
    response.on('close', () => {
      this.#entrance.open--
      life?.clientGone()
    })
    const refuse = (thrown: unknown) => this.#refuse(reply, thrown, requestId, principal)
    try {
      if (path === MODELS || path.startsWith(`${MODELS}/`)) {
        const isAnthropic = speaksAnthropic(path, headers)
        reply.send(200, modelsAt(path, this.#models, principal, isAnthropic), [])
        return
      }
      this.#entrance.mayEnter(request, path)
      readBody(request, limits, (error, body) => {
        try {
          if (error) throw error
          this.#entrance.mayStart()
          if (path === COUNT_TOKENS) {
            this.#count(reply, body, principal).catch(refuse)
            return
          }
          const recording = this.#recordings.areWanted(headers, principal)
            ? this.#recordings.of({ request, response, reply, principal, requestId, path, body })
            : null
          if (recording?.isRepetition()) return
          const came: Arrival = {
            reply,
            line: null,
            recording,
            guarding: null,
            principal,
            requestId,
            arrivedAtMs,
            arrivedMonotonicMs,
          }
          const started = keeps
            ? this.#converse(body, headers, came, response)
            : this.#proceed(readAtDoor(path, body, limits, headers), headers, came, response)
          const begun = (later: RequestLife | undefined) => {
            life = later
          }
          if (started instanceof Promise) this.#beginLater(started, begun, refuse)
          else begun(started)
        } catch (thrown) {
          refuse(thrown)
        }
      })
    } catch (thrown) {
      refuse(thrown)
    }
  }

  /**
   * Takes a line of a batch: nobody waits for its answer, which is stored instead.
   * @throws GristmillError for whatever a client would have been refused for before it queued
   */
  runLine(line: LineRequest): RunningLine {
    const { clock } = this.#options
    this.#entrance.mayStart()
    const { request, principal, requestId } = line
    const standing = {
      serviceClass: line.serviceClass,
      ...(line.asker ?? {
        endUser: principal.scopes.has('end_users') ? request.endUser : null,
        sessionId: sessionIdOf({}, request.sessionId),
        tags: [],
      }),
      waitMsMax: line.waitMsMax,
      // What a batch queues is bounded by the batch; interactive callers have their own bound.
      queueDepthMax: Number.POSITIVE_INFINITY,
    }
    const translation = line.translate?.(line.serviceClass, requestId, clock.nowMs())
    const reply = new LineReply(translation)
    const arrival: Arrival = {
      reply,
      line: { ...line, reply },
      recording: null,
      guarding: this.#guards.of(request, principal, requestId),
      principal,
      requestId,
      arrivedAtMs: clock.nowMs(),
      arrivedMonotonicMs: clock.monotonicMs(),
    }
    const fate = { isOver: false }
    const isStill = () => {
      if (!fate.isOver) this.#entrance.mayGoOn(arrival)
      return !fate.isOver
    }
    const start = (left: CanonicalRequest) => this.#starting.start(left, standing, arrival, isStill)
    const { guarding } = arrival
    const guarded = guarding === null ? request : this.#guards.checked(request, guarding)
    const started =
      guarded instanceof Promise
        ? guarded.then((left) => (isStill() ? start(left) : undefined))
        : start(guarded)
    return started instanceof Promise ? new LaterLine(line, started, fate) : runningLine(started)
  }

  /**
   * Checks a line as its request will be, without running it.
   * @throws GristmillError `invalid_json`, `invalid_value`, `model_not_found`, …
   */
  checkLine(door: DoorPath, body: Buffer, principal: Principal): ReadAtDoor {
    const read = readAtDoor(door, body, this.#options.limits)
    modelFor(this.#models, principal, read.request.model)
    return read
  }

  /**
   * Reads a response in the background that was queued.
   * @throws GristmillError as when it came
   */
  async readQueued(queued: QueuedBody, principal: Principal): Promise<ReadAtDoor> {
    const read = await this.#conversations.readQueued(queued, principal)
    modelFor(this.#models, principal, read.request.model)
    return read
  }

  /** Ends what runs with a revoked key, where that is configured. */
  revoke(keyId: string): void {
    if (!this.#options.revokeEndsStreams) return
    this.#entrance.revoked(keyId, this.#options.clock.monotonicMs())
    this.#live.cut('key_revoked', (life) => life.options.principal.keyId === keyId)
  }

  /** Requests that wait or run. */
  get liveCount(): number {
    return this.#live.roster.size
  }

  /**
   * Takes nothing new, refuses what waits, lets running requests finish and after `graceMs` ends
   * the rest. Resolves when all settlements have been handed to the ledger.
   */
  async drain(graceMs: number = this.#options.limits.shutdownMsMax): Promise<void> {
    this.#entrance.isClosed = true
    for (const refuse of this.#beginning) refuse(shuttingDown())
    await this.#live.drain(graceMs)
    await Promise.all([
      this.#booking.settled(),
      this.#recordings.settled(),
      this.#conversations.settled(),
    ])
    this.#timer.cancel()
  }

  /** Waits for what cannot begin at once; a shutdown refuses it meanwhile. */
  #beginLater(
    started: Promise<RequestLife | undefined>,
    begun: (life: RequestLife | undefined) => void,
    refuse: (thrown: unknown) => void,
  ): void {
    this.#beginning.add(refuse)
    void started.then(begun, refuse).finally(() => this.#beginning.delete(refuse))
  }

  /** @returns what ends with its client; undefined where nothing does */
  #proceed(
    read: ReadAtDoor,
    headers: IncomingHttpHeaders,
    came: Arrival,
    response: ServerResponse,
  ): MaybeLater<RequestLife | undefined> {
    const { request } = read
    const standing = standingOf(request, headers, came.principal, this.#options)
    came.guarding = this.#guards.of(request, came.principal, came.requestId)
    const isStill = () => this.#mayStill(came, response)
    if (came.guarding === null) return this.#serve(read, request, standing, came, isStill)
    const guarded = this.#guards.checked(request, came.guarding)
    if (!(guarded instanceof Promise)) return this.#serve(read, guarded, standing, came, isStill)
    return guarded.then((left) =>
      isStill() ? this.#serve(read, left, standing, came, isStill) : undefined,
    )
  }

  /** The same where what was said before may have to be looked up. */
  async #converse(
    body: Buffer,
    headers: IncomingHttpHeaders,
    came: Arrival,
    response: ServerResponse,
  ): Promise<RequestLife | undefined> {
    const read = await this.#conversations.read(body, came.principal)
    if (!this.#mayStill(came, response)) return undefined
    if (read.queue === undefined) return this.#proceed(read, headers, came, response)
    modelFor(this.#models, came.principal, read.request.model)
    await read.queue(standingOf(read.request, headers, came.principal, this.#options), came)
    return undefined
  }

  /** False where its client has gone meanwhile, or one with the same key has come. */
  #mayStill(came: Arrival, response: ServerResponse): boolean {
    if (response.closed) return false
    this.#entrance.mayGoOn(came)
    return came.recording?.isRepetition() !== true
  }

  /** Answers a client: with what is kept, or by a life of its own. */
  #serve(
    read: ReadAtDoor,
    request: CanonicalRequest,
    standing: Standing,
    came: Arrival,
    isStill: () => boolean,
  ): MaybeLater<RequestLife | undefined> {
    const { recording, requestId, principal, arrivedAtMs } = came
    if (recording?.isHit(request, standing, came.guarding)) return undefined
    this.#entrance.mayQueue(principal)
    came.reply = replyAt(recording?.reply ?? came.reply, read, standing, requestId, arrivedAtMs)
    const started = this.#starting.start(request, standing, came, isStill)
    if (recording?.runsOn !== true) return started
    return started instanceof Promise ? started.then(() => undefined) : undefined
  }

  async #count(reply: Reply, body: Buffer, principal: Principal): Promise<void> {
    const { inputTokens, by } = await countTokens(body, principal, {
      ...this.#options,
      models: this.#models,
    })
    const answer = JSON.stringify({ input_tokens: inputTokens })
    reply.send(200, Buffer.from(answer), ['x-gristmill-token-count', by])
  }

  #refuse(reply: Reply, thrown: unknown, requestId: string, principal: Principal): void {
    const error = toGristmillError(thrown)
    const { guard } = error.details
    const line = { requestId, keyId: principal.keyId, code: error.code, guard }
    if (error.code === 'internal_error') {
      this.#options.logger.error({ ...line, err: thrown }, 'a request could not be taken')
    } else this.#options.logger.info(line, 'a request was refused')
    reply.refuse(error)
  }

  #tick(): void {
    const nowMs = this.#options.clock.monotonicMs()
    this.#live.roster.forEach((life) => {
      life.tick(nowMs)
    })
    if (++this.#ticks % TICKS_PER_MINUTE === 0) {
      this.#rates.forgetIdle()
      this.#recordings.forgetOld()
      this.#entrance.forgetRevoked(nowMs - this.#options.limits.budgetWaitMsMax - STARTED_WITHIN_MS)
    }
    if (this.#ticks % TICKS_PER_OVERFLOW === 0) {
      overflow(this.#live.roster, this.#options.expectedWaits, nowMs)
    }
  }
}

/** @see Gateway */
export function createGateway(options: GatewayOptions): Gateway {
  return new Gateway(options)
}

function pathOf({ url = '' }: IncomingMessage): string {
  const end = url.indexOf('?')
  return end === -1 ? url : url.slice(0, end)
}
