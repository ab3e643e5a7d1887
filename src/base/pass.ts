/**
 * What one pass over the weights computes: llama.cpp takes neighbouring sequences together, and
 * every other row of them in a pass of its own.
 */

interface Stream {
  /** Position of its sequence. */
  index: number
  /** When its last step ended, milliseconds of a monotonic clock. */
  lastStepMs: number
}

export interface PassCosts {
  /** Milliseconds of a pass over so many sequences. */
  passMs(sequences: number): number
  /** Whether the sequence at this position can be computed along between two streams. */
  canFill(index: number): boolean
}

export interface Pass<S> {
  streams: S[]
  /** Positions between them that are computed along. */
  between: number[]
}

/** One pass is taken for several up to this part of their time, which is known only roughly. */
const JOINED_MAX = 0.9

/**
 * Of streams whose turn it is those that step now. More than one pass in a step would save nothing,
 * and whoever comes meanwhile would wait for all of them; but rows of neighbours that stand close
 * are computed in one pass with what is between them, where that takes less time than a pass for
 * each.
 * @param streams in the order of their sequences
 * @returns `pass`, the one with the stream that has waited longest, and the other streams
 */
export function nextPass<S extends Stream>(
  streams: readonly S[],
  costs: PassCosts,
): { pass: Pass<S>; others: S[] } {
  const passes = joined(rowsOf(streams), costs)
  const longestMs = (pass: Pass<S>) => Math.min(...pass.streams.map((one) => one.lastStepMs))
  const pass =
    passes.length > 0
      ? passes.reduce((a, b) => (longestMs(b) < longestMs(a) ? b : a))
      : { streams: [], between: [] }
  return { pass, others: streams.filter((stream) => !pass.streams.includes(stream)) }
}

/** Rows of neighbours. */
export function rowsOf<S extends Stream>(streams: readonly S[]): S[][] {
  const rows: S[][] = []
  for (const stream of streams) {
    const last = rows.at(-1)
    if (last?.at(-1)?.index === stream.index - 1) last.push(stream)
    else rows.push([stream])
  }
  return rows
}

/** The passes that together take least time for these rows. */
function joined<S extends Stream>(rows: readonly S[][], costs: PassCosts): Pass<S>[] {
  /** For so many of the rows from the first on. */
  const best: { passes: Pass<S>[]; ms: number }[] = [{ passes: [], ms: 0 }]
  for (let end = 1; end <= rows.length; end++) {
    let found = { passes: [] as Pass<S>[], ms: Number.POSITIVE_INFINITY }
    for (const { begin, pass } of passesEndingAt(rows.slice(0, end), costs)) {
      const before = best[begin] as (typeof best)[number]
      const passMs = costs.passMs(pass.streams.length + pass.between.length)
      const ms = before.ms + (pass.between.length > 0 ? passMs / JOINED_MAX : passMs)
      if (ms < found.ms) found = { passes: [...before.passes, pass], ms }
    }
    best.push(found)
  }
  return best.at(-1)?.passes ?? []
}

/** All passes that the last row can be in, with the row that each begins with. */
function* passesEndingAt<S extends Stream>(rows: readonly S[][], { canFill }: PassCosts) {
  let pass: Pass<S> | undefined
  for (let begin = rows.length - 1; begin >= 0; begin--) {
    const row = rows[begin] as S[]
    const gap = pass ? positionsBetween(row, pass.streams) : []
    if (!gap.every((index) => canFill(index))) return
    const streams: S[] = [...row, ...(pass?.streams ?? [])]
    pass = { streams, between: [...gap, ...(pass?.between ?? [])] }
    yield { begin, pass }
  }
}

function positionsBetween(left: readonly Stream[], right: readonly Stream[]): number[] {
  const from = (left.at(-1)?.index ?? 0) + 1
  return Array.from({ length: (right[0]?.index ?? from) - from }, (_, i) => from + i)
}
