/** Figures in words: every number that a page shows gets its unit here. */

const plain = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })
const one = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 })
const compactForm = new Intl.NumberFormat('en-US', {
  notation: 'compact',
  maximumFractionDigits: 1,
})

/** Between a number and its unit: never broken over two lines. */
const gap = '\u00a0'

/** A sum of weights, without what is left over of adding fractions: 4.3, not 4.300000000000001. */
export function weights(sum: number): string {
  return String(Number(sum.toPrecision(12)))
}

export function count(value: number): string {
  return plain.format(value)
}

/** 12,345 stays; 1,234,567 becomes 1.2M. */
export function compact(value: number): string {
  return value < 100_000 ? plain.format(value) : compactForm.format(value)
}

/** For axes, where room is scarce: 60K, 1.2M. */
export function axisNumber(value: number): string {
  return value < 10_000 ? plain.format(value) : compactForm.format(value)
}

/** A rate: one decimal below ten. */
export function rate(value: number): string {
  return value < 10 ? one.format(value) : plain.format(value)
}

/** @param share 0 to 1 */
export function percent(share: number, decimals = 0): string {
  return `${(share * 100).toFixed(decimals)}${gap}%`
}

/** With a decimal where the share is small. */
export function finePercent(share: number): string {
  return percent(share, share > 0 && share < 0.095 ? 1 : 0)
}

export interface Quantity {
  value: string
  unit: string
}

/** A duration split into number and unit, so that the unit can be set smaller. */
export function durationParts(ms: number): Quantity {
  if (ms < 1000) return { value: plain.format(ms), unit: 'ms' }
  if (ms < 9950) return { value: (ms / 1000).toFixed(1), unit: 's' }
  if (ms < 120_000) return { value: plain.format(ms / 1000), unit: 's' }
  if (ms < 5_400_000) return { value: plain.format(ms / 60_000), unit: 'min' }
  if (ms < 172_800_000) return { value: one.format(ms / 3_600_000), unit: 'h' }
  return { value: plain.format(ms / 86_400_000), unit: 'days' }
}

export function duration(ms: number): string {
  const { value, unit } = durationParts(ms)
  return `${value}${gap}${unit}`
}

/** Always in seconds with one decimal below ten: for waits, which people compare. */
export function seconds(ms: number): string {
  if (ms >= 120_000) return duration(ms)
  return `${ms < 9950 ? (ms / 1000).toFixed(1) : plain.format(ms / 1000)}${gap}s`
}

/** A promised time, which is a round number: 1 s, not 1.0 s. */
export function promised(ms: number): string {
  return ms < 1000 ? duration(ms) : `${one.format(ms / 1000)}${gap}s`
}

/** Bytes in decimal units, split so that the unit can be set smaller. */
export function byteParts(value: number): Quantity {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let size = value
  let step = 0
  while (size >= 999.5 && step < units.length - 1) {
    size /= 1000
    step += 1
  }
  return { value: rate(size), unit: units[step] ?? '' }
}

/** 98,362,432 → 98 MB */
export function bytes(value: number): string {
  const { value: number, unit } = byteParts(value)
  return `${number}${gap}${unit}`
}

export function plural(value: number, singular: string, several = `${singular}s`): string {
  return `${count(value)} ${value === 1 ? singular : several}`
}

const timeForm = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
})
const dateForm = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
})
const dayForm = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
})

export function clockTime(at: number | string): string {
  return timeForm.format(new Date(at))
}

/** 23 Nov, 21:04 */
export function moment(at: number | string): string {
  return dateForm.format(new Date(at))
}

export function day(at: number | string): string {
  return dayForm.format(new Date(at))
}

/** “3 min ago”, for things whose age matters more than their date. */
export function ago(at: number | string, nowMs: number): string {
  const ms = nowMs - new Date(at).getTime()
  if (ms < 5000) return 'just now'
  return `${duration(ms)} ago`
}

/** a, b and c */
export function listed(words: readonly string[]): string {
  if (words.length <= 1) return words.join('')
  return `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`
}
