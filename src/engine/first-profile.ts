/** What an engine says when it is asked for the first time, while somebody waits for it. */
import { type Clock, GristmillError } from '../base/index.ts'
import type { Engine, EngineProfile } from './types.ts'

const WAIT_MS_MAX = 10_000

/** @throws GristmillError `engine_unreachable` with the reason */
export async function firstProfile(engine: Engine, clock: Clock): Promise<EngineProfile> {
  const enough = new AbortController()
  const timer = clock.after(WAIT_MS_MAX, () => enough.abort())
  try {
    return await engine.probe(enough.signal)
  } catch (error) {
    const reason = (error as Error).message
    throw new GristmillError('engine_unreachable', { url: engine.url, reason }, { cause: error })
  } finally {
    timer.cancel()
  }
}
