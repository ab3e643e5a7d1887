/** An engine program as a child of this process, followed by the registry of engines. */
import type { Clock, Config, Logger } from '../base/index.ts'
import {
  EMBEDDED_ENGINE_ID,
  type EmbeddedEngine,
  type EngineRegistry,
  startEmbeddedEngine,
} from '../engine/index.ts'
import type { Home } from '../host/index.ts'
import type { ChosenModel } from './model-choice.ts'

export interface OwnEngineOptions {
  config: Config
  home: Home
  clock: Clock
  logger: Logger
  stack: AsyncDisposableStack
  onProgress: (message: string) => void
}

/** Resolves once the engine answers. */
export async function startOwnEngine(
  options: OwnEngineOptions,
  engines: EngineRegistry,
  model: ChosenModel,
  id: string,
): Promise<EmbeddedEngine> {
  const { config, home, clock, logger, stack, onProgress } = options
  const { engineGpu, logLevel } = config
  // Cap, threads and context are set for the engine that writes.
  const own = { engineCap: undefined, engineThreads: undefined, engineContext: undefined }
  const engine = await startEmbeddedEngine({
    home,
    clock,
    logger,
    model,
    onProgress,
    ...(id === EMBEDDED_ENGINE_ID
      ? { config, processName: 'engine' }
      : { config: { ...own, engineGpu, logLevel }, processName: 'embedding-engine' }),
  })
  stack.defer(() => engine.stop())
  const look = async () => void (await engines.setEmbedded(engine.url, id))
  engine.follow(() => void look())
  await look()
  return engine
}
