/** Money: exact nanos, billionths of the currency, and the one way in which they are shown. */

const UNIT = 1_000_000_000n
const SIGNIFICANT = 3

/** `-0.15` → -150000000n; amounts as the API writes them. */
export function nanosOf(text: string): bigint {
  const [, sign = '', whole = '0', decimals = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? []
  const nanos = BigInt(whole) * UNIT + BigInt(decimals.padEnd(9, '0').slice(0, 9))
  return sign === '' ? nanos : -nanos
}

export const sumOf = (amounts: readonly string[]): bigint =>
  amounts.reduce((sum, text) => sum + nanosOf(text), 0n)

/**
 * Two decimals; below one as many as three digits need, so that what is small is never nothing.
 * @param currency follows, where it is given
 */
export function money(nanos: bigint, currency?: string): string {
  const value = Number(nanos) / 1e9
  const size = Math.abs(value)
  const below = size === 0 || size >= 1 ? 0 : -Math.floor(Math.log10(size)) - 1
  const most = size >= 1 || size === 0 ? 2 : Math.min(9, below + SIGNIFICANT)
  const text = value.toLocaleString('en-US', {
    minimumFractionDigits: 2,
    maximumFractionDigits: most,
  })
  return currency === undefined ? text : `${text}\u00a0${currency}`
}

/** For axes and small print, where room is scarce: 1.2K, 340, 0.05. */
export function shortMoney(nanos: bigint): string {
  const value = Number(nanos) / 1e9
  const isSmall = Math.abs(value) < 1
  return value.toLocaleString('en-US', {
    notation: 'compact',
    maximumSignificantDigits: isSmall ? 2 : 3,
  })
}
