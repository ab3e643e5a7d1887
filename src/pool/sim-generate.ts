/**
 * Makes days of traffic: from short traces under a daily curve, from rates, or from nothing but the
 * statistics that public traces have. Everything drawn comes from the randomness handed in.
 */
import type { Random } from '../base/index.ts'
import type { ClientLengths, RateWindow } from './sim-import.ts'
import type { TraceRow } from './sim-trace.ts'

export const DAY_MS = 86_400_000
export const HOUR_MS = 3_600_000

/** Share of the peak's traffic at a time of day: 1 at 15 h, a quarter at 3 h. */
export function dailyCurve(atMs: number): number {
  const angle = (2 * Math.PI * (atMs - 15 * HOUR_MS)) / DAY_MS
  return 0.625 + 0.375 * Math.cos(angle)
}

/** A name per row drawn with weights 1, 1/2, 1/3, …; rows that share a prefix share a tenant. */
export function splitTenants(
  rows: readonly TraceRow[],
  tenants: number,
  random: Random,
): TraceRow[] {
  const weights = Array.from({ length: tenants }, (_, i) => 1 / (i + 1))
  const sum = weights.reduce((a, b) => a + b, 0)
  const draw = () => {
    let left = random.next() * sum
    const found = weights.findIndex((weight) => {
      left -= weight
      return left < 0
    })
    return `tenant-${found < 0 ? tenants : found + 1}`
  }
  const byPrefix = new Map<string, string>()
  return rows.map((row) => {
    const root = row.prefix[0]?.id
    if (root === undefined) return { ...row, tenant: draw() }
    const tenant = byPrefix.get(root) ?? draw()
    byPrefix.set(root, tenant)
    return { ...row, tenant }
  })
}

/**
 * Repeats a trace until a day is full; at the peak it is as it was, elsewhere requests are left out
 * by chance as the daily curve has it. Prefixes of two rounds have nothing in common.
 */
export function repeatOverDay(rows: readonly TraceRow[], random: Random): TraceRow[] {
  const spanMs = Math.max(60_000, (rows.at(-1)?.atMs ?? 0) + 1000)
  const day: TraceRow[] = []
  for (let round = 0; round * spanMs < DAY_MS; round++) {
    for (const row of rows) {
      const atMs = row.atMs + round * spanMs
      if (atMs >= DAY_MS || random.next() >= dailyCurve(atMs)) continue
      const prefix = row.prefix.map((part) => ({ ...part, id: `${part.id}.${round}` }))
      day.push({ ...row, atMs, prefix })
    }
  }
  return day
}

/** Standard normal deviate (Box and Muller, 1958). */
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next())
}

/** Gamma deviate of mean 1 with the given shape (Marsaglia and Tsang, 2000). */
export function gamma(shape: number, random: Random): number {
  if (shape < 1) {
    const boost = (1 - random.next()) ** (1 / shape)
    return (gamma(shape + 1, random) * (shape + 1) * boost) / shape
  }
  const d = shape - 1 / 3
  const c = 1 / Math.sqrt(9 * d)
  for (;;) {
    const x = normal(random)
    const v = (1 + c * x) ** 3
    if (v <= 0) continue
    if (Math.log(1 - random.next()) < (x * x) / 2 + d - d * v + d * Math.log(v))
      return (d * v) / shape
  }
}

/** Times between requests vary at most so much; beyond that they are bursts of the same moment. */
const VARIATION_MAX = 8

/** Arrivals of a renewal process with Gamma intervals, window by window. */
function* arrivals(windows: readonly RateWindow[], windowMs: number, random: Random) {
  for (const { startMs, perS, variation } of windows) {
    const shape = 1 / Math.min(VARIATION_MAX, Math.max(0.1, variation)) ** 2
    // A random part of the first interval has passed when the window begins.
    let atMs = startMs + (random.next() * gamma(shape, random) * 1000) / perS
    for (; atMs < startMs + windowMs; atMs += (gamma(shape, random) * 1000) / perS) yield atMs
  }
}

/** A length whose logarithm is normal, through the median and the 90th percentile. */
function lengthOf({ p50, p90, p99 }: ClientLengths['input'], random: Random): number {
  const median = Math.max(1, p50)
  const sigma = Math.log(Math.max(p90, median) / median) / 1.2816
  const most = Math.max(p99, p90) * 1.5
  return Math.max(1, Math.round(Math.min(most, median * Math.exp(sigma * normal(random)))))
}

/** Requests of a day from rates; clients without lengths borrow those of another, by seed. */
export function generateFromRates(
  windows: readonly RateWindow[],
  lengths: readonly ClientLengths[],
  windowMs: number,
  random: Random,
): TraceRow[] {
  const known = new Map(lengths.map((one) => [one.client, one]))
  const rows: TraceRow[] = []
  for (const client of new Set(windows.map((window) => window.client))) {
    const own = known.get(client) ?? lengths[Math.floor(random.next() * lengths.length)]
    if (own === undefined) throw new Error('there are no lengths to draw from')
    const mine = windows.filter((window) => window.client === client && window.perS > 0)
    for (const atMs of arrivals(mine, windowMs, random)) {
      rows.push({
        atMs,
        tenant: `client-${client}`,
        serviceClass: 'standard',
        inputTokens: lengthOf(own.input, random),
        outputTokens: lengthOf(own.output, random),
        prefix: [],
      })
    }
  }
  return rows.sort((a, b) => a.atMs - b.atMs)
}

/** Statistics that public traces have, from which a like one is drawn. */
export interface TrafficStatistics {
  name: string
  perS: number
  spanMs: number
  /** Coefficient of variation of the time between requests. */
  variation: number
  input: ClientLengths['input']
  output: ClientLengths['output']
}

/** Rates, variation and quantiles of Azure's conversation and code traces of 2023. */
export const publicStatistics: readonly TrafficStatistics[] = [
  {
    name: 'conversation-like',
    perS: 5.5,
    spanMs: HOUR_MS,
    variation: 1.09,
    input: { p50: 1020, p90: 2600, p99: 4142 },
    output: { p50: 129, p90: 420, p99: 601 },
  },
  {
    name: 'code-like',
    perS: 2.6,
    spanMs: HOUR_MS,
    variation: 8,
    input: { p50: 1469, p90: 5000, p99: 7436 },
    output: { p50: 13, p90: 60, p99: 251 },
  },
]

/** A trace of these statistics, without tenants. */
export function generateTrace(statistics: TrafficStatistics, random: Random): TraceRow[] {
  const { perS, spanMs, variation, input, output } = statistics
  const windows = [{ startMs: 0, client: '', perS, variation }]
  const lengths = [{ client: '', input, output }]
  return generateFromRates(windows, lengths, spanMs, random).map((row) => ({ ...row, tenant: '' }))
}
