/** Percentiles, and the interval of a ratio of two of them. */
import type { Random } from '../src/base/index.ts'

/** Nearest-rank percentile of values in any order; NaN without values. */
export function percentile(values: readonly number[], share: number): number {
  return ofSorted(
    values.toSorted((a, b) => a - b),
    share,
  )
}

const ofSorted = (sorted: readonly number[], share: number) =>
  sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN

export const median = (values: readonly number[]) => percentile(values, 0.5)

export const mean = (values: readonly number[]) =>
  values.reduce((sum, value) => sum + value, 0) / values.length

const RESAMPLES = 2000

/**
 * 95 % interval of the ratio of a percentile of two samples, by the percentile bootstrap
 * (Efron & Tibshirani, An Introduction to the Bootstrap, §13.3).
 */
export function ratioInterval(
  above: readonly number[],
  below: readonly number[],
  share: number,
  random: Random,
): { low: number; high: number } {
  const draw = (values: readonly number[]) => {
    const drawn = Float64Array.from(
      values,
      () => values[Math.floor(random.next() * values.length)] ?? Number.NaN,
    ).sort()
    return drawn[Math.max(0, Math.ceil(drawn.length * share) - 1)] ?? Number.NaN
  }
  const ratios = Array.from({ length: RESAMPLES }, () => draw(above) / draw(below))
  return { low: percentile(ratios, 0.025), high: percentile(ratios, 0.975) }
}
