/** Which streams and idle sequences one pass of a step computes. */
import type { StepCandidate } from '../base/index.ts'
import type { Pace } from './pace.ts'
import { nextPass } from './pass.ts'
import type { Runner } from './runner.ts'
import type { SequencePool } from './sequence-pool.ts'

/** A pass attends to as many positions as the longest of its sequences, at least to these. */
const ATTENDED_TOKENS_MIN = 192

interface Stream extends StepCandidate {
  runner: Runner
}

/**
 * The next pass over streams whose turn it is.
 * @param active all that hold a sequence
 * @returns `pass`, those that step, also ones that stood aside between them; `fillers`, idle
 *   sequences that are computed along; and `others`, whose turn comes later
 */
export function choosePass<S extends Stream>(
  decode: readonly S[],
  active: Iterable<S>,
  pool: SequencePool<Runner>,
  pace: Pace,
): { pass: S[]; fillers: Runner[]; others: S[] } {
  const longest = Math.max(...decode.map(({ runner }) => runner.heldTokens()))
  const aside = [...active].filter((one) => one.unread === 0 && !one.paused)
  const asideAt = (at: number) => aside.find(({ index }) => index === at)
  const idleAt = (at: number) => {
    const runner = pool.idleAt(at)
    return runner?.canFill(Math.max(longest, ATTENDED_TOKENS_MIN)) ? runner : undefined
  }
  const { pass, others } = nextPass(decode, {
    passMs: (sequences) => pace.passMs(sequences),
    canFill: (at) => (asideAt(at) ?? idleAt(at)) !== undefined,
  })
  return {
    pass: [...pass.streams, ...pass.between.flatMap((at) => asideAt(at) ?? [])],
    fillers: pass.between.flatMap((at) => idleAt(at) ?? []),
    others,
  }
}
