/**
 * Chaos `failover`: two engines answer a steady load while one of them is killed, slowed down,
 * fails and hangs, one after another with recovery between. What clients see is compared with
 * what each prompt is known to be answered with.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { childEnvironment, type Random, seededRandom } from '../src/base/index.ts'
import { engineArguments, engineEntry, writeToyModel } from '../src/llama/index.ts'
import { type FailoverCall, type FaultFigures, figuresOf } from './failover-figures.ts'
import { type Fault, type FaultProxy, startFaultProxy } from './fault-proxy.ts'
import { type Server, startServer } from './server.ts'

export interface FailoverOptions {
  seed?: number
  /** How long each fault lasts, and each recovery after it. */
  seconds?: number
  /** Part of what both engines do together. */
  load?: number
  log?: (line: string) => void
}

export interface FailoverResult {
  perS: number
  capacityPerS: number
  /** The phase before the first fault, and then what followed each, without any. */
  calm: { requests: number; p50Ms: number; p99Ms: number }[]
  faults: FaultFigures[]
  clientErrors: number
  mixed: number
  seed: number
}

const PROMPTS = 24
const OUTPUT_TOKENS = 24
/** As an engine names a toy. */
const MODEL = 'toy'
const CAP = 8
const CAPACITY_MS_MAX = 4000
const PATH = '/v1/chat/completions'
const faults: { name: string; fault: Fault | 'kill' }[] = [
  { name: 'killed', fault: 'kill' },
  { name: 'slowed tenfold', fault: { kind: 'slow', factor: 10 } },
  { name: 'answers 500', fault: { kind: 'errors', share: 1 } },
  { name: 'hangs', fault: { kind: 'hang' } },
  { name: 'fails half', fault: { kind: 'errors', share: 0.5 } },
]

export async function chaosFailover(options: FailoverOptions = {}): Promise<FailoverResult> {
  const { seed = 1, seconds = 60, load = 0.6, log = () => undefined } = options
  const random = seededRandom(seed)
  const folder = mkdtempSync(join(tmpdir(), 'gristmill-failover-'))
  const stack = new AsyncDisposableStack()
  stack.defer(() => rmSync(folder, { recursive: true }))
  try {
    const model = join(folder, 'toy.gguf')
    await writeToyModel(model, { kind: 'markov', seed: 1, contextTokens: 1024 })
    const engines = [new EngineProcess(model), new EngineProcess(model)] as const
    const proxies: FaultProxy[] = []
    for (const engine of engines) {
      stack.defer(() => engine.kill())
      await engine.start()
      const proxy = await startFaultProxy(() => engine.url, random)
      stack.defer(() => proxy.close())
      proxies.push(proxy)
    }
    const server = await startServer({ engine: 'none', log })
    stack.defer(() => server.stop())
    for (const [i, { url }] of proxies.entries()) {
      await server.admin.post('/api/engines', { url, name: `engine-${i + 1}`, cap: CAP })
    }
    const run = new FailoverRun(server, proxies, random)
    await run.learn()
    const capacityPerS = await run.capacity(Math.min(CAPACITY_MS_MAX, seconds * 1000))
    const perS = load * capacityPerS
    log(`both engines answer ${capacityPerS.toFixed(1)} requests/s; the load is ${perS.toFixed(1)}`)
    let before = await run.during(perS, seconds * 1000)
    const calm = [calmOf(before)]
    const figures: FaultFigures[] = []
    for (const { name, fault } of faults) {
      log(`engine-1 ${name}`)
      const attemptsBefore = run.attempts
      if (fault === 'kill') await engines[0].kill()
      else proxies[0]?.set(fault)
      const calls = await run.during(perS, seconds * 1000)
      const attempts = run.attempts - attemptsBefore
      if (fault === 'kill') await engines[0].start()
      else proxies[0]?.set({ kind: 'none' })
      const after = await run.during(perS, seconds * 1000)
      figures.push(figuresOf(name, { before, calls, after, attempts }))
      calm.push(calmOf(after))
      before = after
      log(JSON.stringify(figures.at(-1)))
    }
    const sum = (of: (one: FaultFigures) => number) =>
      figures.reduce((all, one) => all + of(one), 0)
    return {
      perS,
      capacityPerS,
      calm,
      faults: figures,
      clientErrors: sum((one) => one.errorsBeforeByte),
      mixed: sum((one) => one.mixed),
      seed,
    }
  } finally {
    await stack.disposeAsync()
  }
}

function calmOf(calls: readonly FailoverCall[]): FailoverResult['calm'][number] {
  const { requests, p50Ms, p99Ms } = figuresOf('calm', {
    before: calls,
    calls,
    after: [],
    attempts: 0,
  })
  return { requests, p50Ms, p99Ms }
}

/** The load on one server, and what it saw. */
class FailoverRun {
  readonly #server: Server
  readonly #proxies: readonly FaultProxy[]
  readonly #random: Random
  readonly #prompts: string[]
  readonly #expected = new Map<string, string>()

  constructor(server: Server, proxies: readonly FaultProxy[], random: Random) {
    this.#server = server
    this.#proxies = proxies
    this.#random = random
    this.#prompts = Array.from(
      { length: PROMPTS },
      (_, i) => `Tell me about sack ${i} of the mill.`,
    )
  }

  get attempts(): number {
    return this.#proxies.reduce((sum, { attempts }) => sum + attempts, 0)
  }

  /** Asks every engine for every prompt's answer: at temperature 0 there is one. */
  async learn(): Promise<void> {
    for (const prompt of this.#prompts) {
      const { text, error } = await this.#ask(prompt)
      if (error !== null) throw new Error(`before any fault: ${error}`)
      this.#expected.set(prompt, text)
    }
  }

  /** Requests per second that both engines finish when their places are always taken. */
  async capacity(ms: number): Promise<number> {
    const endMs = performance.now() + ms
    let done = 0
    const worker = async () => {
      while (performance.now() < endMs) {
        await this.#ask(this.#draw())
        done++
      }
    }
    await Promise.all(Array.from({ length: CAP * this.#proxies.length }, worker))
    return (1000 * done) / ms
  }

  /** Sends requests at random moments for so long; resolves when all have ended. */
  async during(perS: number, ms: number): Promise<FailoverCall[]> {
    const startMs = performance.now()
    const pending: Promise<FailoverCall>[] = []
    for (let dueMs = startMs; dueMs < startMs + ms; ) {
      const waitMs = dueMs - performance.now()
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
      pending.push(this.#ask(this.#draw(), startMs))
      dueMs += (-1000 / perS) * Math.log(1 - this.#random.next())
    }
    return Promise.all(pending)
  }

  #draw(): string {
    return this.#prompts[Math.floor(this.#random.next() * PROMPTS)] as string
  }

  async #ask(prompt: string, startMs = 0): Promise<FailoverCall> {
    const sentMs = performance.now()
    const call: FailoverCall = {
      atMs: sentMs - startMs,
      totalMs: 0,
      text: '',
      expected: this.#expected.get(prompt) ?? null,
      error: null,
    }
    try {
      await this.#read(prompt, call)
    } catch (error) {
      call.error = (error as Error).message
    }
    call.totalMs = performance.now() - sentMs
    return call
  }

  async #read(prompt: string, call: FailoverCall): Promise<void> {
    const { url, apiKey } = this.#server
    const response = await fetch(url + PATH, {
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: MODEL,
        messages: [{ role: 'user', content: prompt }],
        max_tokens: OUTPUT_TOKENS,
        temperature: 0,
        stream: true,
      }),
    })
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
    const decoder = new TextDecoder()
    let rest = ''
    let isDone = false
    for await (const bytes of response.body ?? []) {
      const frames = (rest + decoder.decode(bytes, { stream: true })).split('\n\n')
      rest = frames.pop() ?? ''
      for (const frame of frames) {
        if (!frame.startsWith('data: ')) continue
        if (frame === 'data: [DONE]') isDone = true
        else readFrame(frame, call)
      }
    }
    if (!isDone) throw new Error('the stream ended without its end')
  }
}

function readFrame(frame: string, call: FailoverCall): void {
  const event = JSON.parse(frame.slice('data: '.length)) as {
    choices?: { delta?: { content?: string } }[]
    error?: { message: string }
  }
  if (event.error) throw new Error(event.error.message)
  call.text += event.choices?.[0]?.delta?.content ?? ''
}

/** One engine as a process of its own, which keeps its port when it is started again. */
class EngineProcess {
  url: string | undefined
  readonly #model: string
  #child: ChildProcess | undefined

  constructor(model: string) {
    this.#model = model
  }

  async start(): Promise<void> {
    const words = engineArguments({
      model: this.#model,
      cap: CAP,
      express: 1,
      spare: 0,
      threads: 1,
      'sweep-ms': 0,
    })
    const child = spawn(process.execPath, ['--expose-gc', engineEntry.pathname, ...words], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: childEnvironment({ UV_THREADPOOL_SIZE: '1' }),
    })
    this.#child = child
    const lines = createInterface({ input: child.stdout })
    const ready = await new Promise<{ url: string }>((resolve, reject) => {
      lines.once('line', (line) => resolve(JSON.parse(line)))
      child.once('exit', (code) => reject(new Error(`the engine ended with ${code}`)))
    })
    this.url = ready.url
  }

  async kill(): Promise<void> {
    const child = this.#child
    this.url = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exited = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await exited
  }
}
