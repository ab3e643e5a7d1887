/** What `bench utilisation` fills: the embedded engine, or a real vLLM behind the gateway. */
import { sleep } from './chat-load.ts'
import { MODEL, startVllm } from './rival-programs.ts'
import { addCalibrated } from './rival-systems.ts'
import { type Server, startServer } from './server.ts'

/** Ways to start vLLM, by the name that the bench gives them. */
const CONFIGS: Record<string, string> = {
  vllm: 'vllm.yaml',
  'vllm-priority': 'vllm-priority.yaml',
}

export interface EngineChoice {
  /** `embedded`, or a key of `CONFIGS`. */
  engine: string
  /** Where vLLM is installed; `docs/benchmarks.md` says how. */
  dir: string | undefined
  /** Of the embedded engine. */
  model: string
}

export interface Filled {
  server: Server
  model: string
  /** Requests that waited inside the engine; null where it has no queue. */
  queue: EngineQueue | null
}

/**
 * Starts engine and gateway; they end with the stack.
 * @throws Error for an unknown engine, and what keeps one from starting
 */
export async function startFilled(
  stack: AsyncDisposableStack,
  { engine, dir, model }: EngineChoice,
  log: (line: string) => void,
): Promise<Filled> {
  if (engine === 'embedded') {
    const server = await startServer({ model, log })
    stack.defer(server.stop)
    if (server.model === null) throw new Error('the server has no model')
    return { server, model: server.model, queue: null }
  }
  const config = CONFIGS[engine]
  if (config === undefined || dir === undefined) {
    const names = Object.keys(CONFIGS).join(', ')
    throw new Error(`--engine ${engine}: engines other than the embedded are ${names}, with --dir`)
  }
  const program = await startVllm(dir, config)
  stack.defer(program.stop)
  const server = await startServer({ engine: 'none', log })
  stack.defer(server.stop)
  await addCalibrated(server, program, log)
  const queue = new EngineQueue(program.url)
  stack.defer(() => queue.stop())
  return { server, model: MODEL, queue }
}

const READ_EVERY_MS = 1000
const WAITING = /^vllm:num_requests_waiting\{[^}]*\} (\S+)$/m

/** Reads every second how many requests wait inside an engine. */
export class EngineQueue {
  readonly #over = new AbortController()
  readonly #reading: Promise<void>
  #seen: number[] = []

  constructor(url: string) {
    this.#reading = this.#read(`${url}/metrics`)
  }

  /** What was seen so far; it is forgotten. */
  take(): { waitingMean: number; waitingMax: number; nWaiting: number } {
    const seen = this.#seen
    this.#seen = []
    const sum = seen.reduce((a, b) => a + b, 0)
    return {
      waitingMean: sum / seen.length,
      waitingMax: Math.max(...seen),
      nWaiting: seen.length,
    }
  }

  async stop(): Promise<void> {
    this.#over.abort()
    await this.#reading
  }

  async #read(url: string): Promise<void> {
    const { signal } = this.#over
    while (!signal.aborted) {
      const text = await (await fetch(url)).text()
      const found = WAITING.exec(text)
      if (found === null) throw new Error(`${url} does not tell how many requests wait`)
      this.#seen.push(Number(found[1]))
      await sleep(READ_EVERY_MS, signal)
    }
  }
}
