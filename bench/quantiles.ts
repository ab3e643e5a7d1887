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
  const draw = (values: readonly number[]) => drawn(values, indices(values.length, random), share)
  return intervalOf(() => draw(above) / draw(below))
}

/**
 * The same where the n-th values of both samples belong together, as of one arrival with and
 * without something: pairs are drawn, so that what strikes both is not taken for a difference.
 */
export function pairedRatioInterval(
  above: readonly number[],
  below: readonly number[],
  share: number,
  random: Random,
): { low: number; high: number } {
  return intervalOf(() => {
    const pairs = indices(above.length, random)
    return drawn(above, pairs, share) / drawn(below, pairs, share)
  })
}

/**
 * The same where values come in blocks that belong together, as of one minute or day, and the n-th
 * blocks of both samples too: whole blocks are drawn, for both samples the same ones, so that a
 * burst is one event and not as many as it has requests (the same book, §8.6).
 */
export function pairedBlockRatioInterval(
  above: readonly number[][],
  below: readonly number[][],
  share: number,
  random: Random,
): { low: number; high: number } {
  return intervalOf(() => {
    const chosen = [...indices(above.length, random)]
    const draw = (blocks: readonly number[][]) => {
      const values = chosen.flatMap((i) => blocks[i] ?? [])
      return drawn(values, Uint32Array.from(values.keys()), share)
    }
    return draw(above) / draw(below)
  })
}

// Loops, as `from` with a function takes several times as long.
function indices(count: number, random: Random): Uint32Array {
  const at = new Uint32Array(count)
  for (let i = 0; i < count; i++) at[i] = Math.floor(random.next() * count)
  return at
}

function drawn(values: readonly number[], at: Uint32Array, share: number): number {
  const sample = new Float64Array(at.length)
  for (let i = 0; i < at.length; i++) sample[i] = values[at[i] ?? 0] ?? Number.NaN
  sample.sort()
  return sample[Math.max(0, Math.ceil(sample.length * share) - 1)] ?? Number.NaN
}

function intervalOf(draw: () => number): { low: number; high: number } {
  const ratios = Array.from({ length: RESAMPLES }, draw)
  return { low: percentile(ratios, 0.025), high: percentile(ratios, 0.975) }
}
