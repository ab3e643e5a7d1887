/**
 * Memory of the gateway over very many requests: resident, and what its heap holds after a full
 * collection, asked for through Node's inspector, which is opened for that.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { residentBytes } from './harness.ts'
import { closedLoop, type Target } from './load.ts'

const STEP = 50_000
const OPEN_MS_MAX = 10_000
const MIB = 1024 ** 2

export interface MemoryOptions {
  target: Target
  pid: number
  /** Where the inspector listens, once it has said so. */
  inspectorUrl: () => string | undefined
  requests: number
  connections: number
  log: (text: string) => void
}

/** Takes a sample every 50,000 requests; the first tenth of them is warm-up. */
export async function measureMemory(options: MemoryOptions) {
  const { target, pid, requests, connections, log } = options
  const inspector = await Inspector.open(pid, options.inspectorUrl)
  const residentMib: number[] = []
  const heapMib: number[] = []
  try {
    for (let done = 0; done < requests; done += STEP) {
      await closedLoop(target, { connections, count: Math.min(STEP, requests - done) })
      residentMib.push(Math.round(residentBytes(pid) / MIB))
      heapMib.push(Math.round((await inspector.heapBytes()) / MIB))
      const sample = `resident ${residentMib.at(-1)} MiB, heap ${heapMib.at(-1)} MiB after collection`
      log(`memory: ${Math.min(requests, done + STEP)} requests: ${sample}`)
    }
  } finally {
    inspector.close()
  }
  return {
    memoryRequests: requests,
    residentMib,
    heapMib,
    residentLastOverFirst: lastOverFirst(residentMib),
    heapLastOverFirst: lastOverFirst(heapMib),
  }
}

/** Mean of the last tenth over that of the tenth after the first; null with too few samples. */
function lastOverFirst(samples: readonly number[]): number | null {
  const tenth = Math.ceil(samples.length / 10)
  if (samples.length < 3) return null
  const mean = (part: readonly number[]) => part.reduce((a, b) => a + b, 0) / part.length
  return mean(samples.slice(-tenth)) / mean(samples.slice(tenth, 2 * tenth))
}

interface Answer {
  id: number
  result?: { usedSize?: number }
  error?: { message: string }
}

/** Asks a Node process about its heap. */
export class Inspector {
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  #lastId = 0

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => {
      const answer = JSON.parse(String(data)) as Answer
      this.#waiting.get(answer.id)?.(answer)
      this.#waiting.delete(answer.id)
    })
  }

  /** SIGUSR1 opens a Node process's inspector. */
  static async open(pid: number, urlOf: () => string | undefined): Promise<Inspector> {
    process.kill(pid, 'SIGUSR1')
    const startMs = performance.now()
    while (urlOf() === undefined) {
      if (performance.now() - startMs > OPEN_MS_MAX) throw new Error('the inspector did not open')
      await sleep(20)
    }
    const socket = new WebSocket(urlOf() ?? '')
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve)
      socket.addEventListener('error', () => reject(new Error('the inspector cannot be reached')))
    })
    return new Inspector(socket)
  }

  /** Used part of the heap after a full collection. */
  async heapBytes(): Promise<number> {
    await this.#ask('HeapProfiler.collectGarbage')
    const { usedSize } = (await this.#ask('Runtime.getHeapUsage')) ?? {}
    if (usedSize === undefined) throw new Error('the inspector named no heap size')
    return usedSize
  }

  close(): void {
    this.#socket.close()
  }

  async #ask(method: string): Promise<Answer['result']> {
    const id = ++this.#lastId
    const answered = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve))
    this.#socket.send(JSON.stringify({ id, method }))
    const { result, error } = await answered
    if (error) throw new Error(`${method}: ${error.message}`)
    return result
  }
}

/** The address in what a process says when its inspector opens. */
export const inspectorUrlIn = (said: string): string | undefined =>
  /Debugger listening on (ws:\S+)\s+For help/.exec(said)?.[1]
