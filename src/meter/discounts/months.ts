/** Months of UTC, written as `2026-12`. */

export interface MonthPart {
  month: string
  startMs: number
  /** What a period has of it. */
  fromMs: number
  toMs: number
}

/** The parts of a period by month, in their order. */
export function monthParts(fromMs: number, toMs: number): MonthPart[] {
  const parts: MonthPart[] = []
  for (let atMs = fromMs; atMs < toMs; ) {
    const date = new Date(atMs)
    const [year, at] = [date.getUTCFullYear(), date.getUTCMonth()]
    const endMs = Math.min(toMs, Date.UTC(year, at + 1))
    const month = date.toISOString().slice(0, 7)
    parts.push({ month, startMs: Date.UTC(year, at), fromMs: atMs, toMs: endMs })
    atMs = endMs
  }
  return parts
}
