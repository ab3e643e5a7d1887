/**
 * How things go on: the mean of past steps (days, hours) with a factor for each place in their
 * cycle (weekday, hour of the day), and how far steps were from that. Pure.
 *
 * A factor is drawn towards 1 while there are few steps to tell it by. The interval is that of a
 * sum of independent steps with a level that is itself only estimated, by Student's t; what comes
 * in runs (a quiet fortnight, a new customer) is in no interval.
 */

/** A step that is over. */
export interface PastStep {
  /** Place in the cycle, from 0. */
  place: number
  amount: number
}

/** A step to come. */
export interface ComingStep {
  place: number
  /** How much of it is still to come, 0 to 1. */
  share: number
}

export interface Pace {
  /** Amount of a mean step. */
  level: number
  /** By place in the cycle; their mean is 1. */
  factors: readonly number[]
  /** Standard deviation of a step from what it was expected to be. */
  deviation: number
  steps: number
}

/** With its interval, in which it falls nine times out of ten. */
export interface Estimate {
  expected: number
  low: number
  high: number
}

/** Steps by which a factor of 1 is believed in before any is seen. */
const PRIOR_STEPS = 2
/** Normal quantile for nine out of ten. */
const Z = 1.6449

/**
 * @param past all of them, in any order
 * @param cycle places in a cycle
 * @returns null where there are fewer steps than a cycle has: too little to tell anything by
 */
export function paceOf(past: readonly PastStep[], cycle: number): Pace | null {
  const steps = past.length
  if (steps < cycle) return null
  const level = past.reduce((sum, { amount }) => sum + amount, 0) / steps
  const raw = Array.from({ length: cycle }, (_, place) => {
    const own = past.filter((step) => step.place === place)
    const sum = own.reduce((all, { amount }) => all + amount, 0)
    const ratios = level === 0 ? own.length : sum / level
    return (ratios + PRIOR_STEPS) / (own.length + PRIOR_STEPS)
  })
  const mean = raw.reduce((sum, factor) => sum + factor, 0) / cycle
  const factors = raw.map((factor) => factor / mean)
  const squares = past.reduce(
    (sum, { place, amount }) => sum + (amount - level * (factors[place] ?? 1)) ** 2,
    0,
  )
  return { level, factors, deviation: Math.sqrt(squares / Math.max(1, steps - 1)), steps }
}

/** What steps to come add up to; none of it is below 0. */
export function sumOf(pace: Pace, coming: readonly ComingStep[]): Estimate {
  const sum = new ComingSum(pace)
  for (const step of coming) sum.add(step)
  return sum.estimate
}

/** When something is used up, in milliseconds since the epoch; null: not within these steps. */
export interface EmptyAt {
  expectedMs: number | null
  earliestMs: number | null
  latestMs: number | null
}

/**
 * When `left` is used up.
 * @param coming one after the other, with the times between which they are
 */
export function emptyAt(
  pace: Pace,
  left: number,
  coming: readonly (ComingStep & { startMs: number; endMs: number })[],
): EmptyAt {
  const sum = new ComingSum(pace)
  const found: EmptyAt = { expectedMs: null, earliestMs: null, latestMs: null }
  let before = sum.estimate
  for (const step of coming) {
    sum.add(step)
    const after = sum.estimate
    const cross = (from: number, to: number): number | null => {
      if (to < left || to <= from) return null
      const share = Math.max(0, left - from) / (to - from)
      return Math.round(step.startMs + share * (step.endMs - step.startMs))
    }
    found.earliestMs ??= cross(before.high, after.high)
    found.expectedMs ??= cross(before.expected, after.expected)
    found.latestMs ??= cross(before.low, after.low)
    before = after
  }
  return found
}

/** A running sum of steps to come. */
class ComingSum {
  readonly #pace: Pace
  #expected = 0
  #shares = 0

  constructor(pace: Pace) {
    this.#pace = pace
  }

  add({ place, share }: ComingStep): void {
    this.#expected += this.#pace.level * (this.#pace.factors[place] ?? 1) * share
    this.#shares += share
  }

  get estimate(): Estimate {
    const { deviation, steps } = this.#pace
    const variance = deviation ** 2 * (this.#shares + this.#shares ** 2 / steps)
    const either = studentT(steps - 1) * Math.sqrt(variance)
    const expected = this.#expected
    return { expected, low: Math.max(0, expected - either), high: expected + either }
  }
}

/** Quantile of Student's t by its first two terms in 1/freedom (Abramowitz & Stegun 26.7.5). */
function studentT(freedom: number): number {
  const first = (Z ** 3 + Z) / (4 * freedom)
  const second = (5 * Z ** 5 + 16 * Z ** 3 + 3 * Z) / (96 * freedom ** 2)
  return Z + first + second
}
