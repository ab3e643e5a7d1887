/** Which streams and idle sequences one pass of a step computes. */
import type { Pace } from './pace.ts'
import { nextPass, rowsOf } from './pass.ts'
import type { Move } from './row-moves.ts'
import type { PooledSequence, SequencePool } from './sequence-pool.ts'
import type { StepCandidate } from './step-plan.ts'

/** A pass attends to as many positions as the longest of its sequences, at least to these. */
const ATTENDED_TOKENS_MIN = 192

export interface FillableSequence<Prompt> extends PooledSequence<Prompt> {
  /** Whether an idle sequence may compute a token that nobody wants, and holds few enough. */
  canFill(heldMax: number): boolean
}

/** What a pass needs to know of those that hold a sequence. */
export interface PassOptions<S, Q extends FillableSequence<P>, P extends { length: number }> {
  pool: SequencePool<Q, P>
  pace: Pick<Pace, 'passMs'>
  /** Tokens that the sequence of a stream holds. */
  heldTokens(stream: S): number
}

/**
 * Moves that make neighbours of streams whose turn it is, so that one pass computes them.
 * @param decode in the order of their sequences
 * @param sequences of `decode`
 * @returns none where they would take as long as the passes that they spare
 */
export function movesTogether<Q extends PooledSequence<P>, P extends { length: number }>(
  decode: readonly StepCandidate[],
  sequences: ReadonlySet<Q>,
  {
    pool,
    pace,
    canMove,
  }: {
    pool: SequencePool<Q, P>
    pace: Pick<Pace, 'passMs' | 'moveMs'>
    /** Whether what a sequence holds can be copied to another one for little. */
    canMove(sequence: Q): boolean
  },
): Move[] {
  const rows = rowsOf(decode)
  if (rows.length < 2) return []
  const apartMs = rows.reduce((sum, { length }) => sum + pace.passMs(length), 0)
  const sparedMs = apartMs - pace.passMs(decode.length)
  if (sparedMs <= pace.moveMs) return []
  const moves = pool.gathering(sequences, canMove)
  return moves.length * pace.moveMs < sparedMs ? moves : []
}

/**
 * The next pass over streams whose turn it is.
 * @param active all that hold a sequence
 * @returns `pass`, those that step, also ones that stood aside between them; `fillers`, idle
 *   sequences that are computed along; and `others`, whose turn comes later
 */
export function choosePass<
  S extends StepCandidate,
  Q extends FillableSequence<P>,
  P extends { length: number },
>(
  decode: readonly S[],
  active: Iterable<S>,
  { pool, pace, heldTokens }: PassOptions<S, Q, P>,
): { pass: S[]; fillers: Q[]; others: S[] } {
  const longest = Math.max(...decode.map(heldTokens))
  const aside = [...active].filter((one) => one.unread === 0 && !one.paused)
  const asideAt = (at: number) => aside.find(({ index }) => index === at)
  const idleAt = (at: number) => {
    const sequence = pool.idleAt(at)
    return sequence?.canFill(Math.max(longest, ATTENDED_TOKENS_MIN)) ? sequence : undefined
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
