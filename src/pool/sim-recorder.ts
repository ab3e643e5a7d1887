/** What a simulation is judged by: first tokens, pace and service by tenant and hour, and waste. */
import { bandOf } from '../base/index.ts'
import type { CostWeights } from './scheduler-types.ts'
import { HOUR_MS } from './sim-generate.ts'
import type { SimObserver, SimOutcome, SimTicket } from './sim-types.ts'

/** What interactive requests are promised. */
export interface SimPromise {
  ttftMs: number
  /** Mean time between the tokens of a request. */
  tokenGapMs: number
}

/** First tokens of one tenant's hour. */
export interface FirstTokens {
  /** Minutes of the simulation in which their requests arrived, one for each. */
  minutes: number[]
  ttftMs: number[]
}

interface Series extends FirstTokens {
  waitMs: number[]
}

export interface Tail {
  n: number
  ttftP50Ms: number
  ttftP99Ms: number
  waitP50Ms: number
  waitP99Ms: number
}

/** A p99 says something from so many samples on; rarer tenants are judged over all their hours. */
const SAMPLES_MIN = 100
const MINUTE_MS = 60_000

export class SimRecorder implements SimObserver {
  /** Interactive service of requests that kept their promise, by hour, units. */
  readonly interactiveUnits: number[] = []
  /** Background service that was finished, by hour, units. */
  readonly backgroundUnits: number[] = []
  /** Tokens of all that ended well, prompts and answers. */
  tokens = 0
  /** Service of interactive requests that were late or slow. */
  lateUnits = 0
  /** Service of abandoned work and of what was computed twice. */
  wastedUnits = 0
  interactive = 0
  late = 0
  background = 0
  readonly #cost: CostWeights
  readonly #promise: SimPromise
  readonly #byTenant = new Map<string, Series[]>()
  readonly #open = new Set<SimTicket>()
  readonly #gapsMs: number[] = []
  #requestsMs = 0
  #ended = 0

  constructor(cost: CostWeights, promise: SimPromise) {
    this.#cost = cost
    this.#promise = promise
  }

  arrived(ticket: SimTicket): void {
    if (isInteractive(ticket)) this.#open.add(ticket)
  }

  preempted(_ticket: SimTicket, tokens: number): void {
    this.wastedUnits += this.#cost.input * tokens
  }

  ended(ticket: SimTicket, outcome: SimOutcome, nowMs: number): void {
    this.#open.delete(ticket)
    const units = this.#unitsOf(ticket)
    if (outcome === 'aborted') {
      this.wastedUnits += units
      return
    }
    this.tokens += ticket.request.inputTokens + ticket.generated
    const hour = Math.floor(nowMs / HOUR_MS)
    if (!isInteractive(ticket)) {
      this.background++
      add(this.backgroundUnits, hour, units)
      return
    }
    const { arrivedMs, firstTokenMs = nowMs, dispatchedMs = nowMs, lastStepMs } = ticket
    const gapMs = ticket.generated > 1 ? (lastStepMs - firstTokenMs) / (ticket.generated - 1) : 0
    this.#note(ticket, firstTokenMs - arrivedMs, dispatchedMs - arrivedMs)
    this.#requestsMs += nowMs - arrivedMs
    this.#ended++
    if (ticket.generated > 1) this.#gapsMs.push(gapMs)
    const isKept = firstTokenMs - arrivedMs <= this.#promise.ttftMs
    if (isKept && gapMs <= this.#promise.tokenGapMs) add(this.interactiveUnits, hour, units)
    else {
      this.lateUnits += units
      this.late++
    }
  }

  /** Counts what has not ended with its time until now; once, at the end. */
  close(nowMs: number): void {
    for (const ticket of this.#open) {
      const { arrivedMs, firstTokenMs, dispatchedMs } = ticket
      this.#note(ticket, (firstTokenMs ?? nowMs) - arrivedMs, (dispatchedMs ?? nowMs) - arrivedMs)
    }
    this.#open.clear()
  }

  get goodUnits(): number {
    return sum(this.interactiveUnits) + sum(this.backgroundUnits)
  }

  get backgroundTotal(): number {
    return sum(this.backgroundUnits)
  }

  get tenants(): string[] {
    return [...this.#byTenant.keys()].sort()
  }

  /** How long interactive requests that have ended took on average, milliseconds. */
  get meanRequestMs(): number {
    return this.#requestsMs / Math.max(1, this.#ended)
  }

  /** 95th percentile over interactive requests of their mean time between tokens. */
  get tokenGapP95Ms(): number {
    return quantile(
      this.#gapsMs.sort((a, b) => a - b),
      0.95,
    )
  }

  /** Over all hours. */
  tail(tenant?: string): Tail {
    const of = tenant === undefined ? this.tenants : [tenant]
    return tailOf(of.flatMap((name) => this.#byTenant.get(name) ?? []))
  }

  /** In the tenant's worst hour by p99; over all hours where none has enough requests. */
  worstHour(tenant: string): Tail {
    return tailOf(this.#worst(tenant))
  }

  /** First tokens by hour. */
  firstTokens(tenant: string): readonly FirstTokens[] {
    const hours = this.#byTenant.get(tenant) ?? []
    return hours.map(({ minutes, ttftMs }) => ({ minutes, ttftMs }))
  }

  #worst(tenant: string): readonly Series[] {
    const all = this.#byTenant.get(tenant) ?? []
    const hours = all.filter((series) => series.ttftMs.length >= SAMPLES_MIN)
    if (hours.length === 0) return all
    const p99 = (series: Series) => tailOf([series]).ttftP99Ms
    return [hours.map((series) => ({ series, p99: p99(series) })).reduce(later).series]
  }

  #note({ request, arrivedMs }: SimTicket, ttftMs: number, waitMs: number): void {
    this.interactive++
    const hour = Math.floor(arrivedMs / HOUR_MS)
    let hours = this.#byTenant.get(request.tenant)
    if (hours === undefined) {
      hours = []
      this.#byTenant.set(request.tenant, hours)
    }
    while (hours.length <= hour) hours.push({ minutes: [], ttftMs: [], waitMs: [] })
    hours[hour]?.minutes.push(Math.floor(arrivedMs / MINUTE_MS))
    hours[hour]?.ttftMs.push(ttftMs)
    hours[hour]?.waitMs.push(waitMs)
  }

  #unitsOf(ticket: SimTicket): number {
    if (ticket.dispatchedMs === undefined) return 0
    const read = ticket.firstTokenMs === undefined ? 0 : ticket.uncachedTokens
    return this.#cost.input * read + this.#cost.output * ticket.generated
  }
}

export const isInteractive = ({ request }: SimTicket) =>
  bandOf(request.serviceClass) === 'interactive'

export const sum = (values: readonly (number | undefined)[]): number =>
  values.reduce<number>((total, value) => total + (value ?? 0), 0)

function add(values: number[], index: number, value: number): void {
  while (values.length <= index) values.push(0)
  values[index] = (values[index] ?? 0) + value
}

const later = <Hour extends { p99: number }>(a: Hour, b: Hour) => (b.p99 > a.p99 ? b : a)

function tailOf(series: readonly Series[]): Tail {
  const ttftMs = series.flatMap((one) => one.ttftMs).sort((a, b) => a - b)
  const waitMs = series.flatMap((one) => one.waitMs).sort((a, b) => a - b)
  return {
    n: ttftMs.length,
    ttftP50Ms: quantile(ttftMs, 0.5),
    ttftP99Ms: quantile(ttftMs, 0.99),
    waitP50Ms: quantile(waitMs, 0.5),
    waitP99Ms: quantile(waitMs, 0.99),
  }
}

/** Nearest rank of sorted values; 0 without values. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0
}
