/**
 * The live picture of the pool: engines, slots, shares, queue; computed on demand, four times a
 * second.
 */
import type { Clock, ServiceClass } from '../base/index.ts'
import { bandOf } from '../base/index.ts'
import type { EngineControl } from './engine-control.ts'
import { type ExplainContext, explain } from './explain.ts'
import type { Pool } from './pool.ts'
import { HISTORY_STEP_MS, HISTORY_STEPS, TTFT_SPAN_MS } from './pool-stats.ts'
import type { TicketState } from './ticket-state.ts'
import type { PoolFloor, QueueEntry } from './types.ts'
import { utilisationOf } from './utilisation.ts'

const MINUTE_MS = 60_000
const RATE_SPAN_MS = 10_000
const QUEUE_SHOWN_MAX = 20

/**
 * The tickets that wait, oldest first, with position and reason.
 * @param tenantId only this tenant's; undefined for everybody's
 * @param rowsMax most rows to explain
 */
export function queueOf(
  pool: Pool,
  clock: Clock,
  tenantId: string | undefined,
  rowsMax: number,
): QueueEntry[] {
  const nowMs = clock.monotonicMs()
  const perTicket = unitsPerTicket(pool, nowMs)
  const dispatchPerS = pool.stats.dispatchRate(nowMs)
  const seen = new Map<string, number>()
  const entries: QueueEntry[] = []
  for (const ticket of pool.scheduler.waitingTickets()) {
    const { arrival } = ticket
    if (tenantId !== undefined && arrival.tenantId !== tenantId) continue
    const line = `${arrival.tenantId} ${bandOf(arrival.serviceClass)}`
    const aheadOwn = seen.get(line) ?? 0
    seen.set(line, aheadOwn + 1)
    const blocking = pool.scheduler.blocking(ticket)
    const context = { blocking, aheadOwn, dispatchPerS, unitsPerTicket: perTicket }
    entries.push(entryOf(pool, ticket, nowMs, context))
    if (entries.length >= rowsMax) break
  }
  return entries
}

function entryOf(
  pool: Pool,
  ticket: TicketState,
  nowMs: number,
  context: ExplainContext,
): QueueEntry {
  const { arrival } = ticket
  const arrivedAtMs = pool.ticketOf(arrival.id)?.arrivedAtMs ?? nowMs
  return {
    requestId: arrival.id,
    tenantId: arrival.tenantId,
    projectId: arrival.projectId,
    keyId: arrival.keyId,
    model: arrival.model,
    serviceClass: arrival.serviceClass,
    band: bandOf(arrival.serviceClass),
    waitedMs: Math.round(nowMs - arrivedAtMs),
    ...explain(ticket, context),
  }
}

function unitsPerTicket(pool: Pool, nowMs: number): number {
  const started = pool.stats.dispatches.sum(nowMs, MINUTE_MS)
  const units = pool.stats.computed.sum(nowMs, MINUTE_MS)
  return started > 0 && units > 0 ? units / started : 100
}

/** Everything the mill floor shows of this pool. */
export function floorOf(pool: Pool, clock: Clock): PoolFloor {
  const nowMs = clock.monotonicMs()
  const { stats } = pool
  const queue = queueOf(pool, clock, undefined, QUEUE_SHOWN_MAX)
  const waitingByClass: Record<ServiceClass, number> = {
    priority: 0,
    standard: 0,
    flex: 0,
    batch: 0,
  }
  for (const ticket of pool.scheduler.waitingTickets()) {
    waitingByClass[ticket.arrival.serviceClass]++
  }
  const prompts = stats.promptTokens.sum(nowMs, MINUTE_MS)
  const ttft = stats.ttft.percentiles(nowMs, TTFT_SPAN_MS)
  const steps = HISTORY_STEPS
  return {
    atMs: clock.nowMs(),
    engines: enginesOf(pool),
    tenants: tenantsOf(pool, nowMs),
    waitingByClass,
    queue,
    oldestWaitMs: queue[0]?.waitedMs ?? null,
    tokens: {
      outPerS: stats.outputTokens.sum(nowMs, RATE_SPAN_MS) / (RATE_SPAN_MS / 1000),
      inPerS: stats.inputTokens.sum(nowMs, RATE_SPAN_MS) / (RATE_SPAN_MS / 1000),
      cachedShare: prompts > 0 ? stats.cachedTokens.sum(nowMs, MINUTE_MS) / prompts : null,
    },
    utilisation: utilisationOf(pool, clock),
    ttft: { p50Ms: ttft.p50, p99Ms: ttft.p99, samples: ttft.n, spanS: TTFT_SPAN_MS / 1000 },
    history: {
      stepS: HISTORY_STEP_MS / 1000,
      endAtMs: clock.nowMs(),
      interactive: perSecond(stats.history.interactive.series(nowMs, steps)),
      flex: perSecond(stats.history.flex.series(nowMs, steps)),
      batch: perSecond(stats.history.batch.series(nowMs, steps)),
      waste: perSecond(stats.history.waste.series(nowMs, steps)),
    },
  }
}

const perSecond = (units: number[]) =>
  units.map((value) => Math.round(value / (HISTORY_STEP_MS / 1000)))

function enginesOf(pool: Pool): PoolFloor['engines'] {
  const slots = new Map<string, PoolFloor['engines'][number]['slots']>()
  for (const ticket of pool.running.values()) {
    if (ticket.engineId === undefined) continue
    const list = slots.get(ticket.engineId) ?? []
    list.push({
      requestId: ticket.id,
      tenantId: ticket.request.tenantId,
      serviceClass: ticket.request.serviceClass,
      outputTokens: ticket.outputTokens,
      outputTokensMax: ticket.request.outputTokensMax,
      express: ticket.express,
      state: ticket.firstTokenAtMs === undefined ? 'prompt' : 'streaming',
    })
    slots.set(ticket.engineId, list)
  }
  return [...pool.engines.values()].map(({ engine, profile, state, reason, control }) => ({
    id: engine.id,
    name: engine.name,
    model: profile.models.map((model) => model.name).join(', '),
    state,
    stateReason: reason,
    cap: control.cap.cap,
    express: profile.express,
    capReason: control.cap.reason,
    reserve: control.reserve.reserve,
    reserveReason: control.reserve.reason,
    lastChange: lastChangeOf(control),
    slots: slots.get(engine.id) ?? [],
  }))
}

function tenantsOf(pool: Pool, nowMs: number): PoolFloor['tenants'] {
  const live = new Map<string, { inFlight: number; waiting: number; weight: number }>()
  for (const group of pool.scheduler.pools()) {
    for (const tenant of group.tenants.values()) {
      const sum = live.get(tenant.id) ?? { inFlight: 0, waiting: 0, weight: tenant.weight }
      sum.inFlight += tenant.inFlight
      sum.waiting += tenant.waiting
      live.set(tenant.id, sum)
    }
  }
  return [...pool.stats.tenants].map(([id, stats]) => {
    const now = live.get(id)
    const ttft = stats.ttft.percentiles(nowMs, TTFT_SPAN_MS)
    const serviceUnits = Math.max(0, stats.service.sum(nowMs, MINUTE_MS))
    const entitledUnits = stats.entitled.sum(nowMs, MINUTE_MS)
    return {
      id,
      inFlight: now?.inFlight ?? 0,
      waiting: now?.waiting ?? 0,
      serviceUnits,
      entitledUnits,
      borrowedUnits: Math.max(0, serviceUnits - entitledUnits),
      ttftP50Ms: ttft.p50,
      ttftP99Ms: ttft.p99,
      ttftSamples: ttft.n,
      tokensPerS: stats.outputTokens.sum(nowMs, RATE_SPAN_MS) / (RATE_SPAN_MS / 1000),
    }
  })
}

/** Why cap or reserve changed last, whichever was later. */
export function lastChangeOf({ cap, reserve }: EngineControl): string {
  return reserve.changedAtMs > cap.changedAtMs ? reserve.reason : cap.reason
}
