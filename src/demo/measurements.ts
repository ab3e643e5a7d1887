/** What the demo measures of each tenant in each half, and the picture made of it. */

export type Half = 'fcfs' | 'fair'

export interface DemoRow {
  tenant: string
  half: Half
  requests: number
  /** Without their last token when the half ended. */
  unfinished: number
  ttftP50Ms: number | null
  ttftP99Ms: number | null
  /** True where the percentile is a lower bound because a request had not begun to answer. */
  ttftP99AtLeast: boolean
  outputTokens: number
  /** Of the output tokens of all three. */
  share: number
}

export interface DemoView {
  state: 'running' | 'done' | 'cancelled'
  half: Half
  secondsLeft: number
  rows: DemoRow[]
}

/** One request as its client saw it; times are monotonic milliseconds. */
export interface Sample {
  sentMs: number
  /** First event with content. */
  firstMs: number | null
  endMs: number | null
  outputTokens: number
}

/** The samples of one tenant in one half; the clients write into them as tokens come. */
export interface Track {
  tenant: string
  half: Half
  samples: Sample[]
}

/**
 * The rows of a view, with shares within each half.
 * @param nowMs end of the waiting time of requests that have not answered yet; those of a half
 *   that is over ended with it
 */
export function rowsOf(
  tracks: readonly Track[],
  nowMs: number,
  endedMs: ReadonlyMap<Half, number>,
): DemoRow[] {
  return tracks.map((track) => {
    const { tenant, half, samples } = track
    const all = tracks.filter((one) => one.half === half).reduce((sum, one) => sum + tokens(one), 0)
    const untilMs = endedMs.get(half) ?? nowMs
    const p99 = ttftPercentile(samples, 0.99, untilMs)
    return {
      tenant,
      half,
      requests: samples.length,
      unfinished: samples.filter(({ endMs }) => endMs === null).length,
      ttftP50Ms: ttftPercentile(samples, 0.5, untilMs).valueMs,
      ttftP99Ms: p99.valueMs,
      ttftP99AtLeast: p99.isAtLeast,
      outputTokens: tokens(track),
      share: all === 0 ? 0 : tokens(track) / all,
    }
  })
}

const tokens = ({ samples }: Track) => samples.reduce((sum, one) => sum + one.outputTokens, 0)

/**
 * Nearest-rank percentile of the time to first token. A request without one counts with the time
 * it has waited; where such a value is at or below the percentile, the true one may be higher.
 */
export function ttftPercentile(
  samples: readonly Sample[],
  share: number,
  untilMs: number,
): { valueMs: number | null; isAtLeast: boolean } {
  const values = samples
    .map(({ sentMs, firstMs }) => ({
      ms: (firstMs ?? untilMs) - sentMs,
      isOpen: firstMs === null,
    }))
    .sort((a, b) => a.ms - b.ms)
  const index = Math.max(0, Math.ceil(values.length * share) - 1)
  const found = values[index]
  if (found === undefined) return { valueMs: null, isAtLeast: false }
  const isAtLeast = values.slice(0, index + 1).some(({ isOpen }) => isOpen)
  return { valueMs: found.ms, isAtLeast }
}
