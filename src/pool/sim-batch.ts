/** Batch work of a simulation: portions of service with a window, fed into the queue in order. */
import type { Random } from '../base/index.ts'
import { DAY_MS, HOUR_MS } from './sim-generate.ts'
import type { TraceRow } from './sim-trace.ts'
import type { SimFeed, SimOutcome, SimRequest } from './sim-types.ts'

/** Lengths of one request, for work that is drawn from a mix. */
export interface Lengths {
  inputTokens: number
  outputTokens: number
}

export interface BatchPortion {
  atMs: number
  tenant: string
  /** Service to be done. */
  units: number
  deadlineMs: number
}

export interface BatchOptions {
  portions: readonly BatchPortion[]
  /** Lengths of lines, taken in turns. */
  mix: readonly Lengths[]
  unitsOf(lengths: Lengths): number
  /** Lines of one tenant that may be in the queue or in flight. */
  ahead: number
}

interface TenantBatches {
  tenant: string
  /** In order of deadline. */
  portions: BatchPortion[]
  open: number
}

export class SimBatches implements SimFeed {
  /** Lines that ended after their deadline. */
  lateLines = 0
  lines = 0
  readonly #options: BatchOptions
  readonly #tenants = new Map<string, TenantBatches>()
  #next = 0
  #arrived = 0

  constructor(options: BatchOptions) {
    this.#options = { ...options, portions: options.portions.toSorted((a, b) => a.atMs - b.atMs) }
  }

  draw(nowMs: number): SimRequest[] {
    this.#submit(nowMs)
    const drawn: SimRequest[] = []
    for (const batches of this.#tenants.values()) this.#drawOf(batches, nowMs, drawn)
    return drawn
  }

  ended({ tenant, deadlineMs }: SimRequest, outcome: SimOutcome, nowMs: number): void {
    const batches = this.#tenants.get(tenant)
    if (batches) batches.open--
    if (outcome !== 'done') return
    this.lines++
    if (deadlineMs !== undefined && nowMs > deadlineMs) this.lateLines++
  }

  /** Work not begun yet, in order of deadline. */
  remaining(): { units: number; deadlineMs: number }[] {
    const left = [...this.#tenants.values()].flatMap(({ portions }) => portions)
    const future = this.#options.portions.slice(this.#arrived)
    return [...left, ...future]
      .filter(({ units }) => units > 0)
      .sort((a, b) => a.deadlineMs - b.deadlineMs)
  }

  /** Service of one line on average. */
  get unitsPerLine(): number {
    const { mix, unitsOf } = this.#options
    return mix.reduce((units, lengths) => units + unitsOf(lengths), 0) / Math.max(1, mix.length)
  }

  #submit(nowMs: number): void {
    const { portions } = this.#options
    for (let portion = portions[this.#arrived]; portion && portion.atMs <= nowMs; ) {
      const { tenant } = portion
      const batches = this.#tenants.get(tenant) ?? { tenant, portions: [], open: 0 }
      this.#tenants.set(tenant, batches)
      batches.portions.push({ ...portion })
      batches.portions.sort((a, b) => a.deadlineMs - b.deadlineMs)
      portion = portions[++this.#arrived]
    }
  }

  #drawOf(batches: TenantBatches, nowMs: number, drawn: SimRequest[]): void {
    const { mix, unitsOf, ahead } = this.#options
    while (batches.open < ahead) {
      const [portion] = batches.portions
      const lengths = mix[this.#next % Math.max(1, mix.length)]
      if (portion === undefined || lengths === undefined) return
      this.#next++
      batches.open++
      portion.units -= unitsOf(lengths)
      if (portion.units <= 0) batches.portions.shift()
      drawn.push({
        ...lengths,
        atMs: nowMs,
        tenant: batches.tenant,
        serviceClass: 'batch',
        deadlineMs: portion.deadlineMs,
        prefix: [],
      })
    }
  }
}

/**
 * Batch work by tenant as their requests are: half of it at the beginning, the rest hour by hour,
 * each with a window of a day.
 */
export function portionsOf(
  rows: readonly TraceRow[],
  units: number,
  spanMs: number,
): BatchPortion[] {
  const hours = Math.max(1, Math.round(spanMs / HOUR_MS))
  const tenants = [...Map.groupBy(rows, ({ tenant }) => tenant)]
  return tenants.flatMap(([tenant, own]) => {
    const mine = (units * own.length) / rows.length
    return Array.from({ length: hours }, (_, hour) => ({
      atMs: hour * HOUR_MS,
      tenant,
      units: hours === 1 ? mine : hour === 0 ? mine / 2 : mine / 2 / (hours - 1),
      deadlineMs: hour * HOUR_MS + DAY_MS,
    }))
  })
}

const MIX_SIZE = 5000

/** Lengths drawn from the trace, in an order that has nothing to do with time. */
export function mixOf(rows: readonly Lengths[], random: Random): Lengths[] {
  return Array.from({ length: MIX_SIZE }, () => {
    const row = rows[Math.floor(random.next() * rows.length)]
    return { inputTokens: row?.inputTokens ?? 1, outputTokens: row?.outputTokens ?? 1 }
  })
}
