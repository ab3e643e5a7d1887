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
  ChargeLine,
  EngineMinute,
  EngineTotal,
  IdleRule,
  Weights,
} from './chargeback-types.ts'
import { addTo, type CostSpan, LENT_SCALE } from './cost-span.ts'
import { costAt, type EngineCost, hourlyNanos } from './engine-costs.ts'
import { type IdlePart, type SharingBasis, shareIdle } from './idle-share.ts'
import { addUse, linesOf } from './tenant-use.ts'
import { weightsAt } from './weights.ts'

const HOUR_US = 3_600_000_000n
const MINUTE_US = 60_000_000n

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

  /** What it comes to. @param rule who pays for what was nobody's */
  finish(rule: IdleRule): Chargeback {
    const spans = [...this.#spans.values()]
    const basis = basisOf(spans)
    const lines = new LineSum()
    const engines = new Map<string, EngineTotal>()
    const lentUs = new Map<string, bigint>()
    for (const span of spans) {
      const { nanos, idle } = chargeSpan(span, lines)
      for (const part of idle) shareIdle(rule, span, part, basis, (line) => lines.add(line))
      addTotal(engines, span, nanos)
      addLent(lentUs, span)
    }
    const byId = [...engines.values()].sort((a, b) => (a.engineId < b.engineId ? -1 : 1))
    return { rule, engines: byId, lines: lines.sorted(), lentUs }
  }

  #spanOf({ engineId, atMs }: EngineMinute): CostSpan {
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
function chargeSpan(span: CostSpan, lines: LineSum): { nanos: bigint; idle: IdlePart[] } {
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
  for (const [tenantId, use] of span.uses) {
    for (const line of linesOf(use, shares.get(`of ${tenantId}`) ?? 0n)) {
      const { kind, cause, us } = line
      if (kind === 'shared') idle.push({ cause, us, nanos: line.nanos })
      else lines.add({ tenantId, engineId, kind, cause, engineUs: us, nanos: line.nanos })
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

/** Sums of lines by all but their amounts. */
class LineSum {
  readonly #lines = new Map<string, ChargeLine>()

  add(line: ChargeLine): void {
    if (line.nanos === 0n && line.engineUs === 0n) return
    const key = keyOf(line)
    const known = this.#lines.get(key)
    if (known === undefined) {
      this.#lines.set(key, { ...line })
      return
    }
    known.engineUs += line.engineUs
    known.nanos += line.nanos
  }

  sorted(): ChargeLine[] {
    return [...this.#lines].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, line]) => line)
  }
}

const keyOf = ({ tenantId, engineId, kind, cause }: ChargeLine) =>
  JSON.stringify([tenantId ?? '', engineId, kind, cause])
