/**
 * Books the end of a request: slot back, ledger row closed, rate corrected, metrics and log line
 * written. The request's life calls it exactly once.
 */
import type { Clock, Logger } from '../base/index.ts'
import { GristmillError } from '../base/index.ts'
import { EngineFailure } from '../engine/index.ts'
import {
  costOf,
  type EndReason,
  NO_COST,
  priced,
  type Settlement,
  type SettlementGroup,
  type TokenCounts,
} from '../meter/index.ts'
import type { TicketEnd } from '../pool/index.ts'
import { countAfterCut } from './cut-count.ts'
import type { GatewayMetrics } from './gateway-metrics.ts'
import type { LifeProgress } from './life-progress.ts'
import type { LifeEnd } from './life-types.ts'
import type { CollectedLine } from './line.ts'
import { keptPromise } from './promise.ts'
import type { RequestLife } from './request-life.ts'
import type { RateLimiter } from './token-rate.ts'
import type { EndedRequest, RequestLedger, Telemetry } from './types.ts'

export interface BookingOptions {
  ledger: RequestLedger
  clock: Clock
  logger: Logger
  metrics: GatewayMetrics
  rates: RateLimiter
  telemetry?: Telemetry | undefined
}

interface Counts extends TokenCounts {
  estimated: boolean
}

const NOTHING: Counts = { inputTokens: 0, cachedTokens: 0, outputTokens: 0, estimated: false }

export class Booking {
  readonly #options: BookingOptions
  /** Settlements that wait for an engine's count. */
  readonly #asking = new Set<Promise<void>>()

  constructor(options: BookingOptions) {
    this.#options = options
  }

  /** Resolves when every settlement has been handed to the ledger. */
  async settled(): Promise<void> {
    while (this.#asking.size > 0) await Promise.all(this.#asking)
  }

  end(life: RequestLife, end: LifeEnd): void {
    const { clock, metrics } = this.#options
    const endedAtMs = clock.monotonicMs()
    const { serviceClass } = life.options.standing
    const known = knownCounts(life, end)
    const tokenGapMs = gapOf(life.progress, known.outputTokens)
    this.#giveBack(life, end, known, tokenGapMs)
    metrics.ended(serviceClass, end.reason, life.progress.ttftMs, tokenGapMs)
    const { guarding } = life.options
    if (guarding !== null) metrics.guarded(guarding.run.results)
    this.#log(life, end)
    const { grant } = end
    const { line } = life.options
    if (line !== null) {
      this.#ask(this.#settleLine(life, line, end, known, endedAtMs))
      return
    }
    if (!end.wasCut || grant === null) {
      this.#settle(life, end, known, tokenGapMs, endedAtMs)
      return
    }
    const settled = countAfterCut(grant.engine, life.options.requestId, clock).then((count) => {
      const counts = count === null ? known : { ...count, estimated: !count.ended }
      this.#settle(life, end, counts, tokenGapMs, endedAtMs)
    })
    this.#ask(settled)
  }

  #ask(work: Promise<void>): void {
    const asking = work.finally(() => this.#asking.delete(asking))
    this.#asking.add(asking)
  }

  /** A line is charged with the answer that was stored, and with nothing where none was. */
  async #settleLine(
    life: RequestLife,
    line: CollectedLine,
    end: LifeEnd,
    known: Counts,
    endedAtMs: number,
  ): Promise<void> {
    const { answer, error } = line.reply
    const isDone = end.reason === 'done'
    const usage = isDone ? known : NOTHING
    const fate = await line.ended({ answer, error, usage })
    if (fate === 'unknown') return
    this.#settle(life, end, fate === 'stored' ? usage : NOTHING, null, endedAtMs)
  }

  #giveBack(life: RequestLife, end: LifeEnd, counts: Counts, tokenGapMs: number | null): void {
    const { ticket } = life
    if (ticket === undefined) return
    if (end.grant === null) ticket.cancel(end.error ?? new GristmillError('shutting_down'))
    else {
      const { inputTokens, cachedTokens, outputTokens } = counts
      const outcome = outcomeOf(life, end, tokenGapMs)
      const { failure } = end
      ticket.finish({ inputTokens, cachedTokens, outputTokens, outcome, failure })
    }
  }

  #settle(
    life: RequestLife,
    end: LifeEnd,
    counts: Counts,
    tokenGapMs: number | null,
    endedAtMs: number,
  ): void {
    const { ledger, clock, rates, metrics } = this.#options
    const { options } = life
    const { requestId, charge, course } = options
    rates.correct(charge, counts.inputTokens + counts.outputTokens)
    const { queueMs, ttftMs, servedClass, engineId, dispatchedAtMs } = life.progress
    metrics.settled(options.standing.serviceClass, {
      endpoint: options.request.endpoint,
      model: options.request.model,
      end: end.reason,
      counts,
      durationMs: endedAtMs - options.arrivedMonotonicMs,
      ttftMs,
      tokenGapMs,
    })
    const isServed = counts.inputTokens + counts.outputTokens > 0
    const rentedTarget = isServed ? (course?.rentedTarget ?? null) : null
    const spendNanos = course?.settle(counts.inputTokens, counts.outputTokens) ?? null
    const { hold } = options
    if (!life.isOnLedger) {
      hold?.settle(NO_COST)
      return
    }
    const group: SettlementGroup = end.reason === 'done' ? 'finished' : 'cut'
    const settlement: Settlement = {
      requestId,
      group,
      end: end.reason,
      estimated: counts.estimated,
      inputTokens: counts.inputTokens,
      cachedTokens: counts.cachedTokens,
      outputTokens: counts.outputTokens,
      ...kindsOf(counts),
      servedClass,
      engineId: engineId === '' ? null : engineId,
      queueMs: dispatchedAtMs === undefined ? waited(options, endedAtMs) : queueMs,
      engineMs: dispatchedAtMs === undefined ? 0 : engineMsOf(endedAtMs - dispatchedAtMs, hold),
      ttftMs: ttftMs === null ? null : Math.round(ttftMs),
      tokenGapMs,
      settledAtMs: clock.nowMs(),
    }
    if (rentedTarget !== null) Object.assign(settlement, { rentedTarget, spendNanos })
    if (options.guarding !== null) settlement.guards = options.guarding.run.results
    priced(settlement, options.price, options.request.endpoint)
    if (hold !== null) {
      settlement.isBudgeted = true
      hold.settle(costOf(settlement))
    }
    ledger.settle(settlement)
    const { telemetry } = this.#options
    if (telemetry?.follows(options.principal.tenantId)) {
      telemetry.ended(endedRequest(options, settlement, end), options.request.fields)
    }
  }

  #log(life: RequestLife, end: LifeEnd): void {
    const { requestId, principal, request, guarding } = life.options
    const guards = guarding?.run.results.filter(({ outcome }) => outcome !== 'passed')
    if (end.reason === 'done') {
      if (!guards?.length) return
      const { keyId } = principal
      this.#options.logger.info({ requestId, keyId, guards }, 'a guard did not just let it pass')
      return
    }
    const { error, reason, engineStatus } = end
    const line = {
      requestId,
      keyId: principal.keyId,
      model: request.model,
      end: reason,
      engineId: life.progress.engineId || undefined,
      code: error?.code,
      guards,
      engineStatus: engineStatus ?? undefined,
    }
    if (error !== null && error.status >= 500) {
      this.#options.logger.warn({ ...line, ...causeOf(error) }, 'a request failed')
    } else this.#options.logger.info(line, 'a request ended early')
  }
}

/** Its stack is told of our own faults alone: an engine that fails, fails many requests. */
function causeOf(error: GristmillError): { err: Error } | { reason: string } {
  if (error.code === 'internal_error') return { err: error }
  // An engine's words are for the client; what failed is known without them.
  return { reason: (error.cause instanceof EngineFailure ? error.cause : error).message }
}

function endedRequest(
  { principal, request, standing, arrivedAtMs }: RequestLife['options'],
  settlement: Settlement,
  { error }: LifeEnd,
): EndedRequest {
  const { requestId, servedClass, settledAtMs, queueMs, engineId, ttftMs, end } = settlement
  const { inputTokens, cachedTokens, outputTokens } = settlement
  return {
    requestId,
    endpoint: request.endpoint,
    model: request.model,
    tenantId: principal.tenantId,
    keyId: principal.keyId,
    servedClass,
    traceParent: standing.traceParent,
    arrivedAtMs,
    endedAtMs: settledAtMs,
    queueMs,
    engineId,
    ttftMs,
    inputTokens,
    cachedTokens,
    outputTokens,
    end,
    errorCode: error?.code ?? null,
  }
}

/** What is known at the end without asking anybody. */
function knownCounts(life: RequestLife, end: LifeEnd): Counts {
  if (end.usage !== null) return { ...end.usage, estimated: false }
  const { progress } = life
  if (end.reason !== 'done' && progress.outputTokens === 0) {
    return end.wasCut ? { ...NOTHING, estimated: true } : NOTHING
  }
  return {
    inputTokens: progress.inputTokens || life.options.request.estimatedInputTokens,
    cachedTokens: 0,
    outputTokens: progress.outputTokens,
    estimated: true,
  }
}

/** Tokens that have prices of their own, where there are any. */
function kindsOf({ cacheWriteTokens, reasoningTokens }: Counts) {
  if (!cacheWriteTokens && !reasoningTokens) return undefined
  return {
    ...(cacheWriteTokens && { cacheWriteTokens }),
    ...(reasoningTokens && { reasoningTokens }),
  }
}

function gapOf({ firstContentAtMs, lastContentAtMs }: LifeProgress, tokens: number) {
  if (firstContentAtMs === undefined || tokens < 2) return null
  return (lastContentAtMs - firstContentAtMs) / (tokens - 1)
}

const OUTCOMES: Record<Exclude<EndReason, 'done'>, TicketEnd['outcome']> = {
  client_gone: 'client_gone',
  key_revoked: 'client_gone',
  budget: 'late',
  engine_failed: 'engine_failed',
  gateway_crash: 'engine_failed',
  timeout: 'timeout',
  shutdown: 'shutdown',
  // Refused by the engine: nothing was served and nothing wasted.
  refused: 'late',
}

function outcomeOf(
  life: RequestLife,
  end: LifeEnd,
  tokenGapMs: number | null,
): TicketEnd['outcome'] {
  if (end.reason !== 'done') return OUTCOMES[end.reason]
  const { ttftMs, queueMs } = life.progress
  const { serviceClass } = life.options.standing
  const gapMsMax = end.grant?.tokenGapMsMax ?? 0
  return keptPromise(serviceClass, ttftMs ?? queueMs, tokenGapMs, gapMsMax) ? 'kept' : 'late'
}

/** What comes late to its end is charged no more than what was set aside for it. */
function engineMsOf(tookMs: number, hold: RequestLife['options']['hold']): number {
  return Math.min(Math.round(tookMs), hold?.engineMsMax ?? Number.POSITIVE_INFINITY)
}

function waited(options: RequestLife['options'], endedAtMs: number): number {
  return Math.round(endedAtMs - options.arrivedMonotonicMs)
}
