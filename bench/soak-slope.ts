/** The slope of a figure that is looked at every minute. Pure. */
import { mean } from './quantiles.ts'

export interface Slope {
  first: number
  last: number
  /** Part of the mean that is added in an hour, and its 95 % interval. */
  perHour: number
  low: number
  high: number
}

const MINUTES_PER_HOUR = 60
/** The 97.5 % quantile of Student's t is near that of the normal distribution from 30 on. */
const QUANTILE = 2.05

/** @param values one a minute, at least five */
export function slopeOf(values: readonly number[]): Slope {
  const n = values.length
  const middle = (n - 1) / 2
  const level = mean(values)
  const spread = values.reduce((sum, _, i) => sum + (i - middle) ** 2, 0)
  const slope = values.reduce((sum, value, i) => sum + (i - middle) * (value - level), 0) / spread
  const residuals = values.map((value, i) => value - level - slope * (i - middle))
  const squares = residuals.reduce((sum, one) => sum + one * one, 0)
  const lagged = residuals.slice(1).reduce((sum, one, i) => sum + one * (residuals[i] ?? 0), 0)
  const correlation = squares === 0 ? 0 : Math.max(0, lagged / squares)
  const effective = Math.max(3, (n * (1 - correlation)) / (1 + correlation))
  const error = Math.sqrt(squares / (effective - 2) / spread)
  const hourly = (perMinute: number) => (MINUTES_PER_HOUR * perMinute) / level
  return {
    first: values[0] ?? Number.NaN,
    last: values.at(-1) ?? Number.NaN,
    perHour: hourly(slope),
    low: hourly(slope - QUANTILE * error),
    high: hourly(slope + QUANTILE * error),
  }
}
