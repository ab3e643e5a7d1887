/**
 * Chargeback: what engines cost in a period, shared among those who used them. Pure: minutes in,
 * in any order, lines out.
 *
 * The cost of an engine over a span in which neither its cost nor a weight changed is shared in
 * proportion to time: of tenants, and of what was nobody's. Both are measured, neither is what the
 * other leaves. A second of an engine so costs the same whoever else works there. All shares are by
 * largest remainder, so that they add up to the nano.
 */
import { dividedHalfEven, sharedOut } from '../../base/index.ts'
import type {
  Chargeback,
  EngineMinute,
  EngineTotal,
  IdleRule,
  Weights,
} from './chargeback-types.ts'
import { addTo, type CostSpan, LENT_SCALE, type SpanSums } from './cost-span.ts'
import { costAt, type EngineCost, hourlyNanos } from './engine-costs.ts'
import { type IdlePart, IdleSharing, type SharingBasis } from './idle-share.ts'
import { LineSum } from './line-sum.ts'
import { addSums, addUse, linesOf } from './tenant-use.ts'
import { weightsAt } from './weights.ts'

const HOUR_US = 3_600_000_000n
const MINUTE_US = 60_000_000n
/** Charged in one step: some milliseconds. */
const USES_AT_ONCE = 250

export class ChargebackSum {
  readonly #costs: readonly EngineCost[]
  readonly #weights: readonly Weights[]
  readonly #spans = new Map<string, CostSpan>()

  /**
   * @param costs of all engines, as `engineCosts` orders them
   * @param weights as `weightSpans` makes them
   */
  constructor(costs: readonly EngineCost[], weights: readonly Weights[]) {
    this.#costs = costs
    this.#weights = weights
  }

  add(given: EngineMinute): void {
    const minute = withinAMinute(given)
    const span = this.#spanOf(minute)
    span.registeredUs += minute.registeredUs
    for (const [cause, us] of minute.idle) addTo(span.idle, cause, us)
    addUse(span, minute)
  }

  /**
   * Adds what minutes of an engine came to in which neither its cost nor a weight changed.
   * @param atMs when one of them begins
   */
  addSums(engineId: string, atMs: number, sums: SpanSums): void {
    const span = this.#spanOf({ engineId, atMs })
    span.registeredUs += sums.registeredUs
    span.lentByWeight += sums.lentByWeight
    for (const [cause, us] of sums.idle) addTo(span.idle, cause, us)
    for (const [tenantId, more] of sums.uses) addSums(span.uses, tenantId, more)
  }

  get spans(): readonly CostSpan[] {
    return [...this.#spans.values()]
  }

  /** What it comes to. @param rule who pays for what was nobody's */
  finish(rule: IdleRule): Chargeback {
    const steps = this.finishing(rule)
    for (;;) {
      const step = steps.next()
      if (step.done) return step.value
    }
  }

  /** The same in steps, between which others may have their turn. */
  *finishing(rule: IdleRule): Generator<void, Chargeback> {
    const spans = this.spans
    const lines = new LineSum()
    const sharing = new IdleSharing(rule, basisOf(spans), lines)
    const engines = new Map<string, EngineTotal>()
    const lentUs = new Map<string, bigint>()
    for (const span of spans) {
      const { nanos, idle } = yield* chargeSpan(span, lines)
      for (const part of idle) {
        sharing.share(span, part)
        yield
      }
      addTotal(engines, span, nanos)
      addLent(lentUs, span)
    }
    const byId = [...engines.values()].sort((a, b) => (a.engineId < b.engineId ? -1 : 1))
    return { rule, engines: byId, lines: lines.sorted(), lentUs }
  }

  #spanOf({ engineId, atMs }: Pick<EngineMinute, 'engineId' | 'atMs'>): CostSpan {
    const cost = costAt(this.#costs, engineId, atMs)
    const weights = weightsAt(this.#weights, atMs)
    const key = `${engineId} ${cost?.fromMs ?? ''} ${weights.fromMs}`
    let span = this.#spans.get(key)
    if (span === undefined) {
      const sums = { registeredUs: 0n, idle: new Map(), uses: new Map(), lentByWeight: 0n }
      span = { engineId, hourly: cost && hourlyNanos(cost), weights, ...sums }
      this.#spans.set(key, span)
    }
    return span
  }
}

/** Several gateways may have watched the same minute; it is no longer for that. */
function withinAMinute(minute: EngineMinute): EngineMinute {
  const { registeredUs, idle, tenants } = minute
  if (registeredUs <= MINUTE_US) return minute
  const scaled = (us: bigint) => (us * MINUTE_US) / registeredUs
  return {
    ...minute,
    registeredUs: MINUTE_US,
    idle: new Map([...idle].map(([cause, us]) => [cause, scaled(us)])),
    tenants: tenants.map((tenant) => ({ ...tenant, usedUs: scaled(tenant.usedUs) })),
  }
}

/** Charges tenants for their time. @returns what was nobody's, and the cost in all */
function* chargeSpan(
  span: CostSpan,
  lines: LineSum,
): Generator<void, { nanos: bigint; idle: IdlePart[] }> {
  const { engineId, hourly = 0n, registeredUs } = span
  const nanos = dividedHalfEven(registeredUs * hourly, HOUR_US)
  const parts = new Map<string, bigint>()
  for (const [tenantId, use] of span.uses) parts.set(`of ${tenantId}`, use.usedUs)
  for (const [cause, us] of span.idle) parts.set(`idle ${cause}`, us)
  const shares = sharedOut(nanos, parts)
  const idle: IdlePart[] = []
  // Registered, and nothing was measured at all: the operator is told of it and keeps it.
  if (shares.size === 0) idle.push({ cause: 'unmeasured', us: registeredUs, nanos })
  for (const [cause, us] of span.idle) {
    idle.push({ cause, us, nanos: shares.get(`idle ${cause}`) ?? 0n })
  }
  let seen = 0
  for (const [tenantId, use] of span.uses) {
    if (++seen % USES_AT_ONCE === 0) yield
    for (const line of linesOf(use, shares.get(`of ${tenantId}`) ?? 0n)) {
      const { kind, cause, us } = line
      if (kind === 'shared') idle.push({ cause, us, nanos: line.nanos })
      else lines.of(engineId, kind, cause)(tenantId, us, line.nanos)
    }
  }
  return { nanos, idle }
}

function addTotal(engines: Map<string, EngineTotal>, span: CostSpan, nanos: bigint): void {
  const { engineId, registeredUs, hourly, idle, uses } = span
  const none = { registeredUs: 0n, nanos: 0n, uncostedUs: 0n, unexplainedUs: 0n }
  const total = engines.get(engineId) ?? { engineId, ...none }
  engines.set(engineId, total)
  const parts = [...idle.values(), ...[...uses.values()].map(({ usedUs }) => usedUs)]
  const off = parts.reduce((rest, us) => rest - us, registeredUs)
  total.registeredUs += registeredUs
  total.nanos += nanos
  if (hourly === undefined) total.uncostedUs += registeredUs
  total.unexplainedUs += off < 0n ? -off : off
}

function addLent(lentUs: Map<string, bigint>, { weights, lentByWeight, uses }: CostSpan): void {
  for (const [tenantId, weight] of weights.of) {
    const more = lentByWeight * weight + (uses.get(tenantId)?.lent ?? 0n)
    if (more > 0n) addTo(lentUs, tenantId, more / LENT_SCALE)
  }
}

function basisOf(spans: readonly CostSpan[]): SharingBasis {
  const byEngine = new Map<string, Map<string, bigint>>()
  const overall = new Map<string, bigint>()
  for (const { engineId, uses } of spans) {
    const engine = byEngine.get(engineId) ?? new Map<string, bigint>()
    byEngine.set(engineId, engine)
    for (const [tenantId, { usedUs }] of uses) {
      addTo(engine, tenantId, usedUs)
      addTo(overall, tenantId, usedUs)
    }
  }
  return { byEngine, overall }
}
