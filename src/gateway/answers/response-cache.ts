/**
 * The response cache: a request that is the same as an earlier one of its tenant, byte for byte,
 * and asks for one answer in particular, gets the earlier answer. It is booked as a request that
 * no engine worked for.
 */
import { toGristmillError } from '../../base/index.ts'
import { costOf, type Hold, NO_COST, priced, type Settlement } from '../../meter/index.ts'
import type { Route } from '../../route/index.ts'
import type { Principal } from '../../tenancy/index.ts'
import { priceFor } from '../admission.ts'
import { type CanonicalRequest, invalid } from '../canonical.ts'
import { courseFor } from '../course.ts'
import { errorShapeOf } from '../doors.ts'
import type { GatewayMetrics } from '../gateway-metrics.ts'
import type { Guarding } from '../guards/before.ts'
import { intentOf } from '../intent.ts'
import { modelFor } from '../model-list.ts'
import type { Reply, ReplyHeaders } from '../reply.ts'
import type { Standing } from '../standing.ts'
import type { GatewayOptions } from '../types.ts'
import type { KeptAnswer, KeptAnswers } from './kept-answers.ts'
import { Listener } from './listener.ts'
import type { Asked } from './recording.ts'

export const CACHE_HEADER = 'x-gristmill-cache'

/** Headers that are as true of a hit as of the answer that was kept. */
const LASTING = new Set([
  'x-gristmill-class',
  'x-gristmill-target',
  'sunset',
  'x-gristmill-successor',
])

export interface ResponseCacheOptions extends GatewayOptions {
  metrics: GatewayMetrics
}

/** Where the answer to a request is kept. */
export interface Place {
  key: string
  principal: Principal
  request: CanonicalRequest
  standing: Standing
  route: Route | undefined
  guarding: Guarding | null
}

export class ResponseCache {
  readonly #options: ResponseCacheOptions
  readonly #kept: KeptAnswers
  readonly #hits = new Set<Promise<unknown>>()

  constructor(options: ResponseCacheOptions, kept: KeptAnswers) {
    this.#options = options
    this.#kept = kept
  }

  /**
   * The place of a request; null where the cache is not for it.
   * @throws GristmillError as for any request: `model_not_found`, `no_target`, …
   */
  placeOf(
    given: CanonicalRequest,
    { request: { headers }, principal }: Asked,
    standing: Standing,
    bodyDigest: string,
    guarding: Guarding | null,
  ): Place | null {
    const state = headers[CACHE_HEADER] ?? (principal.policy.responseCache ? 'on' : 'off')
    if (state !== 'on' && state !== 'off') throw invalid(CACHE_HEADER, 'it must be on or off')
    if (state === 'off' || given.isKept === true) return null
    modelFor(this.#options.models, principal, given.model)
    const course = courseFor(this.#options, given, principal, standing)
    const request = course?.withDefaults(given) ?? given
    if (!asksForOneAnswer(request)) return null
    // Of two requests with other headers of their wire, or other tags, the answers may differ.
    const words = given.ownWords?.headers.join(' ') ?? ''
    const tags = `${principal.policy.tags.join()} ${standing.tags.join()}`
    const key = `cache ${request.door} ${standing.serviceClass} ${bodyDigest} ${tags} ${words}`
    return { key, principal, request, standing, route: course?.route, guarding }
  }

  /** What was kept, unless its route or its guards have changed since. */
  find({ key, principal, route, standing, guarding }: Place): KeptAnswer | undefined {
    const kept = this.#kept.find(principal.tenantId, key)
    const isAsBefore = kept?.route === route && kept?.guards === guarding?.set
    const hit = isAsBefore ? kept : undefined
    this.#options.metrics.cacheAsked(standing.serviceClass, hit === undefined ? 'miss' : 'hit')
    return hit
  }

  keep({ key, principal }: Place, answer: KeptAnswer): void {
    // What its engine did not count cannot be booked when it is a hit.
    if (answer.usage === null) return
    const headers = lasting(answer.tape.headers ?? [])
    const tape = { ...answer.tape, headers }
    const { responseCacheMsMax } = this.#options.limits
    this.#kept.keep(principal.tenantId, key, { ...answer, tape }, responseCacheMsMax)
  }

  /**
   * Answers with what was kept, once the intent is durable.
   * @returns false where it could not be booked and is refused
   */
  answer(hit: KeptAnswer, place: Place, asked: Asked, reply: Reply): Promise<boolean> {
    const work = this.#book(hit, place, asked, reply).finally(() => this.#hits.delete(work))
    this.#hits.add(work)
    return work
  }

  async #book(hit: KeptAnswer, place: Place, asked: Asked, reply: Reply): Promise<boolean> {
    const { ledger, metrics, clock, limits } = this.#options
    const { serviceClass } = place.standing
    const came = { principal: place.principal, arrivedAtMs: clock.nowMs() }
    const price = priceFor(this.#options.prices, place.request, place.route, place.standing, came)
    const settlement = settlementOf(hit, place, asked.requestId, came.arrivedAtMs)
    priced(settlement, price, place.request.endpoint)
    let hold: Hold | null = null
    try {
      hold = await this.#setAside(place, settlement)
      await ledger.open(intentOf({ ...place, ...came, hold, requestId: asked.requestId }, 0))
    } catch (thrown) {
      hold?.settle(NO_COST)
      metrics.ended(serviceClass, 'refused', null, null)
      reply.refuse(toGristmillError(thrown))
      return false
    }
    const { idHeader } = errorShapeOf(asked.path, {})
    const headers = ['x-gristmill-queue-ms', '0', CACHE_HEADER, 'hit']
    if (idHeader !== null) headers.push(idHeader, asked.requestId)
    new Listener(hit.tape, { reply, headers, clock, limits }).advance()
    metrics.ended(serviceClass, 'done', null, null)
    settlement.settledAtMs = clock.nowMs()
    settlement.isBudgeted = hold !== null
    hold?.settle(costOf(settlement))
    ledger.settle(settlement)
    return true
  }

  /** What a hit costs is known before, so that much is set aside. */
  async #setAside(
    { principal: { tenantId, projectId, keyId }, standing }: Place,
    settlement: Settlement,
  ): Promise<Hold | null> {
    const { budgets } = this.#options
    if (budgets.isEmpty) return null
    const cost = costOf(settlement)
    const spender = { tenantId, projectId, keyId, endUser: standing.endUser }
    const tokens = { outputTokens: 0, outputTokensMin: 0, mayClamp: false }
    const { waitMsMax } = standing
    const known = { costMax: () => cost, costsTime: false }
    return await budgets.hold(spender, { ...known, ...tokens, waitMsMax })
  }

  /** Resolves when every hit has been handed to the ledger. */
  async settled(): Promise<void> {
    while (this.#hits.size > 0) await Promise.all(this.#hits)
  }
}

/** Embeddings do; a text does where nothing is drawn, or the same is drawn each time. */
function asksForOneAnswer({ endpoint, fields }: CanonicalRequest): boolean {
  if (endpoint === '/v1/embeddings') return true
  return fields.temperature === 0 || Number.isInteger(fields.seed)
}

function lasting(headers: ReplyHeaders): ReplyHeaders {
  return headers.flatMap((name, index) =>
    index % 2 === 0 && LASTING.has(`${name}`) ? [name, headers[index + 1] ?? ''] : [],
  )
}

function settlementOf(
  { usage }: KeptAnswer,
  { standing, guarding }: Place,
  requestId: string,
  settledAtMs: number,
): Settlement {
  return {
    requestId,
    group: 'finished',
    end: 'done',
    estimated: false,
    inputTokens: 0,
    cachedTokens: 0,
    outputTokens: 0,
    servedClass: standing.serviceClass,
    engineId: null,
    queueMs: 0,
    engineMs: 0,
    ttftMs: null,
    tokenGapMs: null,
    settledAtMs,
    hit: { inputTokens: usage?.inputTokens ?? 0, outputTokens: usage?.outputTokens ?? 0 },
    ...(guarding && { guards: guarding.run.results }),
  }
}
