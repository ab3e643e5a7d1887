/**
 * Engines that tenants would need if each had its own, at the same promise: for the trace as it
 * was, and for others that it might have been as well. Pure.
 */
import { bandOf, type Random, seededRandom } from '../base/index.ts'
import { mixOf } from './sim-batch.ts'
import { capacityOf, promiseOf } from './sim-capacity.ts'
import { fewestEngines } from './sim-fleet.ts'
import { COPY_SPREAD_MS, type PlanOptions } from './sim-plan.ts'
import { costOfProfile } from './sim-profile.ts'
import type { TraceRow } from './sim-trace.ts'

export interface DedicatedOptions extends Pick<PlanOptions, 'rows' | 'profile' | 'ttftP99Ms'> {
  /** So many other traces are drawn. */
  draws: number
  onStep?: PlanOptions['onStep']
}

/** Engines for the trace as it was, and the fewest and most among it and what was drawn. */
interface Needed {
  engines: number
  low: number
  high: number
}

export interface Dedicated extends Needed {
  tenants: (Needed & { tenant: string; requests: number })[]
  draws: number
  /** Why the promise cannot be kept, where that is so; then nothing is needed. */
  cannot: string | null
}

/**
 * What is drawn is a Poisson bootstrap (Chamandy et al., 2012): each request is there as often as a
 * Poisson variable of mean 1 says, a second time within ten minutes of the first.
 */
export function dedicatedEngines(options: DedicatedOptions): Dedicated {
  const { rows, ttftP99Ms, draws, onStep } = options
  const capacity = capacityOf(options.profile, mixOf(rows, seededRandom(1)))
  const { profile, unitsPerS } = capacity
  const cost = costOfProfile(options.profile)
  const fleet = { profile, cost, promise: promiseOf(ttftP99Ms, capacity) }
  const tenants = [...Map.groupBy(rows, ({ tenant }) => tenant)].sort(([a], [b]) =>
    a < b ? -1 : 1,
  )
  const counts = tenants.map((): number[] => [])
  for (let draw = 0; draw <= draws; draw++) {
    const random = seededRandom(draw)
    for (const [at, [tenant, mine]] of tenants.entries()) {
      onStep?.(draw * tenants.length + at, (draws + 1) * tenants.length, `engines of ${tenant}`)
      const drawn = draw === 0 ? mine : redrawn(mine, random)
      const interactive = drawn.filter((row) => bandOf(row.serviceClass) === 'interactive')
      const { engines, cannot } = fewestEngines(fleet, interactive, unitsPerS)
      if (cannot !== undefined) {
        return { engines: 0, low: 0, high: 0, tenants: [], draws, cannot: `${tenant}: ${cannot}` }
      }
      // Whoever has nothing but background work needs an engine for it, too.
      counts[at]?.push(Math.max(1, engines))
    }
  }
  const totals = Array.from({ length: draws + 1 }, (_, draw) =>
    counts.reduce((sum, each) => sum + (each[draw] ?? 0), 0),
  )
  return {
    ...needed(totals),
    tenants: tenants.map(([tenant, { length }], at) => {
      return { tenant, requests: length, ...needed(counts[at] ?? []) }
    }),
    draws,
    cannot: null,
  }
}

function needed(counts: readonly number[]): Needed {
  return { engines: counts[0] ?? 0, low: Math.min(...counts), high: Math.max(...counts) }
}

function redrawn(rows: readonly TraceRow[], random: Random): TraceRow[] {
  const spanMs = (rows.at(-1)?.atMs ?? 0) + 1
  return rows
    .flatMap((row) =>
      Array.from({ length: poisson(random) }, (_, copy) =>
        copy === 0 ? row : { ...row, atMs: (row.atMs + random.next() * COPY_SPREAD_MS) % spanMs },
      ),
    )
    .sort((a, b) => a.atMs - b.atMs)
}

/** Of mean 1, by Knuth's product of uniform variables. */
function poisson(random: Random): number {
  let count = 0
  for (let product = random.next(); product > Math.exp(-1); product *= random.next()) count++
  return count
}
