/** Arms in turns, and the interval of a figure of two samples. */
import { seededRandom } from '../src/base/index.ts'
import { percentile } from './quantiles.ts'

export interface Interval {
  value: number
  low: number
  high: number
}

const RESAMPLES = 1000

/**
 * A figure of two samples with its bootstrap 95 % interval (percentile method; Efron and
 * Tibshirani, An Introduction to the Bootstrap, §13.3).
 * @param figure for instance the ratio of two p99s
 */
export function bootstrap(
  a: readonly number[],
  b: readonly number[],
  figure: (a: readonly number[], b: readonly number[]) => number,
  seed: number,
): Interval {
  const random = seededRandom(seed)
  const drawn = (values: readonly number[]) =>
    Float64Array.from(values, () => values[Math.floor(random.next() * values.length)] ?? 0)
  const figures = Array.from({ length: RESAMPLES }, () => figure([...drawn(a)], [...drawn(b)]))
  return {
    value: figure(a, b),
    low: percentile(figures, 0.025),
    high: percentile(figures, 0.975),
  }
}

/**
 * Runs arms in turns and collects what each measured. The order is reversed every turn and begins
 * with another arm every other one, so that each is as often at each place: ABC CBA, BCA ACB,
 * CAB BAC.
 */
export async function alternate<Result>(
  arms: Record<string, () => Promise<Result>>,
  pairs: number,
): Promise<Record<string, Result[]>> {
  const names = Object.keys(arms)
  const results: Record<string, Result[]> = Object.fromEntries(names.map((name) => [name, []]))
  for (let pair = 0; pair < pairs; pair++) {
    const first = (pair >> 1) % names.length
    const order = [...names.slice(first), ...names.slice(0, first)]
    for (const name of pair % 2 === 0 ? order : order.toReversed()) {
      const result = await arms[name]?.()
      if (result !== undefined) results[name]?.push(result)
    }
  }
  return results
}
