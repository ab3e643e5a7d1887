/** Numbers as people read them, with units. Everything takes plain numbers and gives text. */

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })
const short = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 3 })

/** Shown where a value is not known. */
export const UNKNOWN = '–'

/** `12345` → `12,345`. */
export function count(value: number | null): string {
  return value === null ? UNKNOWN : grouped.format(value)
}

/** Three significant digits: `0.01234` → `0.0123`. */
export function figure(value: number | null): string {
  return value === null ? UNKNOWN : short.format(value)
}

/** Milliseconds: `86 ms`, `1.25 s`, `31 s`, `2 min 5 s`, `3 h 20 min`. */
export function duration(ms: number | null): string {
  if (ms === null) return UNKNOWN
  if (ms < 999.5) return `${Math.round(ms)} ms`
  const seconds = ms / 1000
  if (seconds < 59.5) return `${short.format(seconds)} s`
  const whole = Math.round(seconds)
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${grouped.format(Math.floor(whole / 3600))} h ${Math.floor((whole % 3600) / 60)} min`
}

/** Money in billionths of its unit, to a millionth; of what is exact, every digit of the unit. */
export function money(nanos: number | string): string {
  const size = BigInt(nanos)
  if (size === 0n) return UNKNOWN
  const micros = (size + 500n) / 1000n
  return `${micros / 1_000_000n}.${String(micros % 1_000_000n).padStart(6, '0')}`
}

/** Share between 0 and 1: `0.335` → `34 %`. */

export function percent(share: number | null): string {
  return share === null ? UNKNOWN : `${Math.round(share * 100)} %`
}

/** Bytes in decimal units: `98362432` → `98.4 MB`. */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let size = value
  let step = 0
  while (size >= 999.5 && step < units.length - 1) {
    size /= 1000
    step++
  }
  return `${short.format(size)} ${units[step]}`
}

/** An ISO time in the reader's time zone, to the minute. */
export function moment(iso: string | null): string {
  if (iso === null) return UNKNOWN
  const at = new Date(iso)
  const two = (value: number) => String(value).padStart(2, '0')
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}`
}
