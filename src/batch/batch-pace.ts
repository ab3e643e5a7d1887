/**
 * How fast a batch goes and when it will end; whether its window is at risk, or cannot be kept
 * whatever is done. Pure but for the times handed in.
 */

export interface PaceInput {
  nowMs: number
  expiresAtMs: number
  /** From creation to the end of the window. */
  windowMs: number
  remaining: number
  /** Lines per second if the engines did nothing else; null where nobody knows. */
  aloneLinesPerS: number | null
}

export interface Forecast {
  remaining: number
  /** Lines per second lately; null before some have ended. */
  linesPerS: number | null
  endsAtMs: number | null
  /** What the expectation rests on, a sentence. */
  basis: string
  standing: 'on_time' | 'late' | 'hopeless'
}

const SPAN_S = 60
const LINES_MIN = 5
/** Part of the window that should be left when the last line ends. */
const SLACK_SHARE = 0.1

export class BatchPace {
  /** Lines that ended, by second. */
  readonly #seconds = new Map<number, number>()
  #sinceMs: number | undefined

  /** Lines can run from now on. */
  begin(nowMs: number): void {
    this.#sinceMs ??= nowMs
  }

  ended(nowMs: number): void {
    const second = Math.floor(nowMs / 1000)
    this.#seconds.set(second, (this.#seconds.get(second) ?? 0) + 1)
    for (const old of this.#seconds.keys()) {
      if (old >= second - SPAN_S) break
      this.#seconds.delete(old)
    }
  }

  forecast(input: PaceInput): Forecast {
    const { nowMs, remaining } = input
    const { lines, spanS } = this.#recent(nowMs)
    const linesPerS = lines >= LINES_MIN ? lines / spanS : null
    const endsAtMs =
      remaining === 0
        ? nowMs
        : linesPerS === null
          ? null
          : nowMs + Math.round((remaining / linesPerS) * 1000)
    return {
      remaining,
      linesPerS,
      endsAtMs,
      basis: basisOf(lines, spanS, remaining),
      standing: standingOf(input, endsAtMs),
    }
  }

  #recent(nowMs: number): { lines: number; spanS: number } {
    const from = Math.floor(nowMs / 1000) - SPAN_S
    let lines = 0
    for (const [second, count] of this.#seconds) if (second >= from) lines += count
    const sinceS = (nowMs - (this.#sinceMs ?? nowMs)) / 1000
    return { lines, spanS: Math.min(SPAN_S, Math.max(1, sinceS)) }
  }
}

function basisOf(lines: number, spanS: number, remaining: number): string {
  if (remaining === 0) return 'Every line has its end.'
  if (lines === 0) return `No line has ended in the last ${Math.round(spanS)} s.`
  const few = lines < LINES_MIN ? ', too few to go by' : ''
  const ended = lines === 1 ? '1 line' : `${lines} lines`
  return `${ended} ended in the last ${Math.round(spanS)} s${few}.`
}

function standingOf(input: PaceInput, endsAtMs: number | null): Forecast['standing'] {
  const { nowMs, expiresAtMs, windowMs, remaining, aloneLinesPerS } = input
  if (remaining === 0) return 'on_time'
  const leftMs = expiresAtMs - nowMs
  if (aloneLinesPerS !== null && (remaining / aloneLinesPerS) * 1000 > leftMs) return 'hopeless'
  const slackMs = windowMs * SLACK_SHARE
  if (endsAtMs === null) return leftMs < slackMs ? 'late' : 'on_time'
  return endsAtMs > expiresAtMs - slackMs ? 'late' : 'on_time'
}
