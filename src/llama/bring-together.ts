/** Makes neighbours of streams whose turn it is, by moving them and those between them. */

import type { Token } from 'node-llama-cpp'
import {
  type Clock,
  movesTogether,
  type Pace,
  type SequencePool,
  type StepCandidate,
} from '../base/index.ts'
import type { Runner } from './runner.ts'

/** What holds a sequence, with what is changed here. */
interface Held extends StepCandidate {
  runner: Runner
  /** What has failed. */
  error: unknown
}

interface Resources {
  pool: SequencePool<Runner, readonly Token[]>
  pace: Pace
  clock: Clock
}

/**
 * Only between two steps.
 * @param decode is brought into the order of its sequences again; one that was lost on its way has
 *   `error` set
 * @param active all that hold a sequence
 * @returns how many were moved
 */
export async function bringTogether<H extends Held>(
  decode: H[],
  active: Iterable<H>,
  { pool, pace, clock }: Resources,
): Promise<number> {
  const sequences = new Set(decode.map(({ runner }) => runner))
  const canMove = (runner: Runner) => runner.canMove()
  const moves = movesTogether(decode, sequences, { pool, pace, canMove })
  if (moves.length === 0) return 0
  const holders = new Map([...active].map((held) => [held.index, held]))
  let moved = 0
  for (const move of moves) {
    const held = holders.get(move.from) as H
    const target = pool.idleAt(move.to) as Runner
    const startMs = clock.monotonicMs()
    try {
      if (!(await held.runner.moveTo(target))) break
    } catch (error) {
      held.error = error ?? new Error('unknown')
      break
    }
    pace.recordMove(clock.monotonicMs() - startMs)
    pool.move(move)
    held.runner = target
    held.index = move.to
    holders.set(move.to, held)
    moved++
  }
  decode.sort((a, b) => a.index - b.index)
  return moved
}
