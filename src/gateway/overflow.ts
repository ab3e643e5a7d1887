/**
 * When a request that waits for own engines goes to a rented target instead: where its tenant may
 * and it would wait for longer than it was promised. And when it comes back: where that target has
 * failed since. Looks at all that may at once, a few times a
 * second, so that nobody pays for it where no route overflows.
 */
import { TTFT_PROMISE_MS } from '../base/index.ts'
import type { RequestLife } from './request-life.ts'
import type { ExpectedWaits } from './types.ts'

/** Tickets looked at in a round, oldest first. */
const LOOKED_AT_MAX = 2000

export function overflow(
  lives: { forEach(visit: (life: RequestLife) => void): void },
  expectedWaits: ExpectedWaits,
  nowMs: number,
): void {
  let waits: Map<string, number | null> | undefined
  lives.forEach((life) => {
    const { course, requestId, arrivedMonotonicMs } = life.options
    if (!life.isWaiting || course === undefined) return
    life.comeBack()
    if (!course.mayRent) return
    waits ??= new Map(
      expectedWaits(LOOKED_AT_MAX).map((one) => [one.requestId, one.expectedWaitMs] as const),
    )
    const waitedMs = nowMs - arrivedMonotonicMs
    // Of a wait that nobody can foresee, what is over is known.
    const leftMs = waits.get(requestId) ?? 0
    if (waitedMs + leftMs > TTFT_PROMISE_MS) life.rent()
  })
}
