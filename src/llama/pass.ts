/** What llama.cpp computes in one pass over the weights: sequences that are neighbours. */

interface Stream {
  /** Position of its sequence. */
  index: number
  /** When its last step ended, milliseconds of a monotonic clock. */
  lastStepMs: number
}

/**
 * Of streams whose turn it is those that step now. More than one pass in a step would save nothing,
 * and whoever comes meanwhile would wait for all of them.
 * @param streams in the order of their sequences
 * @returns `pass`, neighbours of whom one has waited longest, and the others
 */
export function nextPass<S extends Stream>(streams: readonly S[]): { pass: S[]; others: S[] } {
  const passes: S[][] = []
  for (const stream of streams) {
    const last = passes.at(-1)
    if (last?.at(-1)?.index === stream.index - 1) last.push(stream)
    else passes.push([stream])
  }
  const longestMs = (pass: S[]) => Math.min(...pass.map(({ lastStepMs }) => lastStepMs))
  const pass =
    passes.length > 0 ? passes.reduce((a, b) => (longestMs(b) < longestMs(a) ? b : a)) : []
  return { pass, others: streams.filter((stream) => !pass.includes(stream)) }
}
