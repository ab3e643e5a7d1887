/**
 * How tests wait for what happens by itself. A test never waits for a time instead: a machine may
 * be slower than any. Never used by the program.
 */
import { systemClock } from './clock.ts'

const PAUSE_MS = 10
/** Long enough for a busy machine; what holds already costs nothing of it. */
const WAIT_MS_MAX = 20_000

type Nothing = false | null | undefined

/**
 * Looks again and again until there is something, and returns it.
 * @param what told where it does not come to that
 * @param look answers with nothing, or with what was waited for
 * @throws Error naming `what` after `waitMsMax` milliseconds
 */
export async function eventually<Found>(
  what: string,
  look: () => Found | Nothing | Promise<Found | Nothing>,
  waitMsMax = WAIT_MS_MAX,
): Promise<Found> {
  const endMs = systemClock.monotonicMs() + waitMsMax
  for (;;) {
    const found = await look()
    if (found !== false && found !== undefined && found !== null) return found
    if (systemClock.monotonicMs() > endMs) {
      throw new Error(`still not after ${waitMsMax} ms: ${what}`)
    }
    await systemClock.sleep(PAUSE_MS)
  }
}

/** As `eventually`, for a condition that says itself what it is. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  await eventually(holds.toString(), holds)
}
