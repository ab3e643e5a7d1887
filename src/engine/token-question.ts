/** Asks the engines of a model, one after the other, for the length of a prompt. */
import type { Logger } from '../base/index.ts'
import type { EngineWatch } from './engine-watch.ts'
import type { Engine } from './types.ts'

/** What the first engine says that is up and can; null where there is none. */
export async function askTokens(
  places: readonly { watch: EngineWatch }[],
  model: string,
  logger: Logger,
  ask: (engine: Engine) => Promise<number | null>,
): Promise<number | null> {
  for (const { watch } of places) {
    const { engine, profile, state } = watch
    const serves = profile.models.some(({ name }) => name === model)
    if (state !== 'up' || !serves) continue
    const count = await ask(engine).catch((error: Error) => {
      const { name, message } = error
      logger.debug({ engine: engine.id, name, message }, 'no token count')
      return null
    })
    if (count !== null) return count
  }
  return null
}
