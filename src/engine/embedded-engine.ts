/**
 * The engine program as a supervised child of this gateway. It speaks the same wire as any engine;
 * only its start, restarts and address are known here.
 */
import { getCompileCacheDir } from 'node:module'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  type Clock,
  type Config,
  childEnvironment,
  GristmillError,
  type Logger,
} from '../base/index.ts'
import {
  type Child,
  freePort,
  type Home,
  type Supervised,
  startChild,
  supervise,
} from '../host/index.ts'
import { watchForHang } from './hang-watch.ts'

export interface EmbeddedEngineOptions {
  home: Home
  clock: Clock
  logger: Logger
  config: Pick<Config, 'engineCap' | 'engineThreads' | 'engineContext' | 'engineGpu' | 'logLevel'>
  model: { name: string; path: string; toy: boolean }
  /** What its process is called; its log and its pid file are named so too. */
  processName: 'engine' | 'embedding-engine'
  /** A line of progress worth showing while a first start calibrates. */
  onProgress: (message: string) => void
  /** Ends a start that has not come up yet. */
  signal: AbortSignal
}

export interface EmbeddedEngine {
  readonly url: string
  /** Process id of the engine, undefined between two starts. */
  pid(): number | undefined
  restarts(): number
  /** Calls back at every end and restart from now on. */
  follow(onChange: () => void): void
  stop(): Promise<void>
}

const STOP = [{ signal: 'SIGTERM' as const, waitMs: 4000 }]
const ORPHAN_STOP = [{ signal: 'SIGKILL' as const, waitMs: 1000 }]
const LOG_BYTES_MAX = 10 * 1024 * 1024
const PROGRESS_AFTER_MS = 3000
const TOY_SWEEP_MS = 2000

/** What the generated model can do matters to nobody; it must only be ready soon. */
const toySweepMs = ({ engineCap }: Pick<Config, 'engineCap'>) =>
  engineCap === undefined ? TOY_SWEEP_MS : 0

/**
 * Starts the engine on a free port of the loopback interface and keeps it running there.
 * @throws GristmillError `engine_failed` when the first start does not come up, with its last words
 */
export async function startEmbeddedEngine(options: EmbeddedEngineOptions): Promise<EmbeddedEngine> {
  const { clock, logger } = options
  const port = await freePort('127.0.0.1')
  let restarts = 0
  let onChange: (() => void) | undefined
  const supervised: Supervised = await supervise({
    clock,
    start: () => startOnce(options, port),
    onEvent: (event) => {
      if (event.kind === 'started') return onChange?.()
      const reason =
        event.kind === 'ended'
          ? `The engine process ended (${event.exit.signal ?? `code ${event.exit.code}`}).`
          : `The engine process did not start: ${String((event.error as Error).message)}`
      restarts++
      logger.warn({ restartInMs: event.restartInMs, reason }, 'engine down')
      onChange?.()
    },
  })
  const url = `http://127.0.0.1:${port}`
  const hang = watchForHang({
    healthUrl: `${url}/health`,
    clock,
    pid: () => supervised.child()?.pid,
    onHang: (silentMs) => {
      logger.error({ silentMs }, 'the engine runs but does not answer, or hangs; it is ended')
      void supervised.child()?.kill()
    },
  })
  return {
    url,
    pid: () => supervised.child()?.pid,
    restarts: () => restarts,
    follow: (listener) => {
      onChange = listener
    },
    stop: () => {
      hang.cancel()
      return supervised.stop()
    },
  }
}

/** Resolves when the engine has printed its ready line. */
async function startOnce(options: EmbeddedEngineOptions, port: number): Promise<Child> {
  const { home, clock, model, processName } = options
  const ready = Promise.withResolvers<void>()
  const logPath = join(home.folder('logs'), `${processName}.log`)
  const child = await startChild({
    name: processName,
    command: process.execPath,
    args: ['--expose-gc', programFile(), ...programArguments(options, port)],
    env: engineEnvironment(),
    stop: STOP,
    orphanStop: ORPHAN_STOP,
    log: { path: logPath, maxBytes: LOG_BYTES_MAX },
    pidFile: join(home.folder('run'), `${processName}.json`),
    onStdoutLine: (line) => {
      if (line.startsWith('{"ready":true')) ready.resolve()
    },
  })
  const onAbort = () => void child.stop()
  options.signal.addEventListener('abort', onAbort, { once: true })
  if (options.signal.aborted) onAbort()
  const slow = clock.after(PROGRESS_AFTER_MS, () =>
    options.onProgress(
      processName === 'engine'
        ? `Loading ${model.name}; what it can do is measured once on a machine (about 20 s)`
        : `Loading ${model.name}`,
    ),
  )
  const died = child.exited.then(({ code, signal }) => {
    const reason = `it ended with ${signal ?? `code ${code}`} before it was ready; see ${logPath}`
    throw new GristmillError('engine_failed', { reason })
  })
  try {
    await Promise.race([ready.promise, died])
  } finally {
    options.signal.removeEventListener('abort', onAbort)
    slow.cancel()
  }
  died.catch((error: Error) => options.logger.debug({ error: error.message }, 'engine ended'))
  return child
}

/**
 * libuv reads the size of its pool when a process starts; see the engine program. Compiled code is
 * kept where ours is, if it is.
 */
function engineEnvironment(): NodeJS.ProcessEnv {
  const compiled = getCompileCacheDir()
  return childEnvironment({
    UV_THREADPOOL_SIZE: '1',
    // What is returned is the folder of this version of Node.js, what is asked for the one above.
    ...(compiled !== undefined && { NODE_COMPILE_CACHE: dirname(compiled) }),
  })
}

function programFile(): string {
  const here = fileURLToPath(import.meta.url)
  return fileURLToPath(new URL(`../llama/engine-process${extname(here)}`, import.meta.url))
}

function programArguments(options: EmbeddedEngineOptions, port: number): string[] {
  const { config, home, model } = options
  const values = {
    model: model.path,
    id: model.name,
    port,
    cap: config.engineCap,
    threads: config.engineThreads,
    context: config.engineContext,
    gpu: config.engineGpu,
    cache: home.folder('calibration'),
    'sweep-ms': model.toy ? toySweepMs(config) : undefined,
    'log-level': config.logLevel,
  }
  return Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, String(value)],
  )
}
