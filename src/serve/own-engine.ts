/** An engine program as a child of this process, followed by the registry of engines. */
import { readdirSync } from 'node:fs'
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

/** What an engine must wait for; it is started beside everything else. */
export interface OwnEngineStart {
  id: string
  choosing: Promise<ChosenModel>
  /** Resolves when nothing disturbs the measuring of what it can do any more. */
  quiet: Promise<unknown> | undefined
}

export interface OwnEngine {
  id: string
  model: ChosenModel
  engine: EmbeddedEngine
  /** Ends it, also while it starts again; resolves when it is gone. */
  end(): Promise<void>
}

/**
 * Begins to start an engine; `stack` ends it, also one that is still starting.
 * @returns resolves once it answers, rejects as `choosing` and `startEmbeddedEngine` do
 */
export function launchOwnEngine(
  options: OwnEngineOptions,
  { id, choosing, quiet }: OwnEngineStart,
): Promise<OwnEngine> {
  const { config, home, clock, logger, stack, onProgress } = options
  const { engineGpu, logLevel } = config
  // Cap, threads and context are set for the engine that writes.
  const own = { engineCap: undefined, engineThreads: undefined, engineContext: undefined }
  const ending = new AbortController()
  const { signal } = ending
  let starting: Promise<EmbeddedEngine> | undefined
  const launch = async () => {
    const model = await choosing
    await quiet
    signal.throwIfAborted()
    starting = startEmbeddedEngine({
      ...{ home, clock, logger, model, onProgress, signal },
      ...(id === EMBEDDED_ENGINE_ID
        ? { config, processName: 'engine' }
        : { config: { ...own, engineGpu, logLevel }, processName: 'embedding-engine' }),
    })
    return { id, model, engine: await starting, end }
  }
  const end = async () => {
    ending.abort(new Error('the program ends'))
    const [started] = await Promise.allSettled([starting])
    if (started.status === 'fulfilled') await started.value?.stop()
  }
  stack.defer(end)
  const launched = launch()
  // Whoever waits for it hears why; where something else failed first, nobody does.
  launched.catch((error: Error) => logger.debug({ error: error.message }, 'no engine'))
  return launched
}

/** Has the registry follow an engine of ours; resolves once it has looked. */
export async function followOwnEngine(
  { id, engine, end }: OwnEngine,
  engines: EngineRegistry,
  stack: AsyncDisposableStack,
): Promise<void> {
  // Before the registry closes, so that it hears nothing of this end.
  stack.defer(end)
  const look = async () => void (await engines.setEmbedded(engine.url, id))
  engine.follow(() => void look())
  await look()
}

/** Whether no engine has measured here yet what it can do, which takes one some 20 s. */
export const measuresFirst = (home: Home) => readdirSync(home.folder('calibration')).length === 0
