/**
 * What a request used that was cut short: the engine's own count, asked for until it has stopped.
 */
import type { Clock } from '../base/index.ts'
import type { Engine, EngineCount } from '../engine/index.ts'

/** An engine notices an abort within one step; slow steps take longer. */
const ASK_AFTER_MS = [0, 50, 100, 200, 400, 800, 1600]
const ASK_MS_MAX = 1000

/** The final count, or null where the engine cannot be asked or does not know. */
export async function countAfterCut(
  engine: Engine,
  requestId: string,
  clock: Clock,
): Promise<EngineCount | null> {
  let count: EngineCount | null = null
  for (const delayMs of ASK_AFTER_MS) {
    await clock.sleep(delayMs)
    count = await ask(engine, requestId, clock)
    if (count === null || count.ended) return count
  }
  return count
}

async function ask(engine: Engine, requestId: string, clock: Clock): Promise<EngineCount | null> {
  const enough = new AbortController()
  const timer = clock.after(ASK_MS_MAX, () => enough.abort())
  try {
    return await engine.countOf(requestId, enough.signal)
  } catch (error) {
    // An engine that is gone cannot tell; what the client received is counted then.
    void error
    return null
  } finally {
    timer.cancel()
  }
}
