/**
 * The engine as a process of its own: arguments, signals, the pipe to the parent, the ready line.
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import {
  childEnvironment,
  createLogger,
  systemClock,
  systemRandom,
  toGristmillError,
} from '../base/index.ts'
import { runEngine } from './main.ts'
import { parseEngineArguments } from './options.ts'

/**
 * libuv reads the size of its pool when Node starts. With its default of four, decoding is three
 * to six times slower: each step lands on another thread while the compute threads spin.
 */
const NEEDED = { UV_THREADPOOL_SIZE: '1' }
const GRACE_MS = 3000

const isFit =
  childEnvironment().UV_THREADPOOL_SIZE === NEEDED.UV_THREADPOOL_SIZE &&
  typeof globalThis.gc === 'function'

if (isFit) await serve()
else startAgain()

/** Runs this file once more as it needs to be, and behaves as if it were that process. */
function startAgain(): void {
  const words = process.argv.slice(2)
  const wasPiped = words.includes('--parent-pipe')
  const flags = wasPiped ? words : [...words, '--parent-pipe']
  const entry = fileURLToPath(import.meta.url)
  const child = spawn(process.execPath, ['--expose-gc', entry, ...flags], {
    env: childEnvironment(NEEDED),
    stdio: [wasPiped ? 'inherit' : 'pipe', 'inherit', 'inherit'],
  })
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
    process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === null ? 1 : 128)
  })
}

async function serve(): Promise<void> {
  try {
    const options = parseEngineArguments(process.argv.slice(2))
    const logger = createLogger(options['log-level'], 'engine')
    if (options['parent-pipe']) endWithParent()
    const engine = await runEngine(options, { clock: systemClock, random: systemRandom, logger })
    process.stdout.write(`${JSON.stringify(engine.ready)}\n`)
    let isStopping = false
    const stop = (signal: string) => {
      // What starts us passes a signal on that the terminal has sent us already.
      if (isStopping) return
      isStopping = true
      logger.info({ signal }, 'engine stops')
      void engine.close(GRACE_MS).finally(() => process.exit(0))
    }
    process.on('SIGTERM', stop)
    process.on('SIGINT', stop)
  } catch (thrown) {
    const error = toGristmillError(thrown)
    const cause = error.code === 'internal_error' ? `\n${String((thrown as Error)?.stack)}` : ''
    process.stderr.write(`${error.message} ${error.fix}${cause}\n`)
    process.exit(1)
  }
}

/** The parent holds the other end of standard input; when it closes, nobody needs this engine. */
function endWithParent(): void {
  process.stdin.on('close', () => process.exit(0))
  process.stdin.on('error', () => process.exit(0))
  process.stdin.resume()
}
