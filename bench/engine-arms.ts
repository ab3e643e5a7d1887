/** The contestants of `bench engine`: our engine program, the bare library, llama.cpp's server. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { childEnvironment, systemClock } from '../src/base/index.ts'
import { engineArguments, engineEntry } from '../src/llama/index.ts'
import { countEvents } from './engine-client.ts'

export interface ArmOptions {
  model: string
  threads: number
  /** Sequences to open. */
  slots: number
  /** Tokens of context of each. */
  contextTokens: number
}

export interface Arm {
  /** Generates `tokens` tokens for every prompt at once; resolves to tokens per second. */
  round(prompts: readonly string[], tokens: number): Promise<number>
  /** The process that computes. */
  pid: number
  /** Base address, where the arm speaks HTTP. */
  url: string
  stop(): Promise<void>
}

const entry = (url: URL) => fileURLToPath(url)

/** `gristmill engine`, over its own wire. */
export async function engineArm(options: ArmOptions): Promise<Arm> {
  const words = engineArguments({
    model: options.model,
    cap: options.slots - 1,
    express: 1,
    spare: 0,
    threads: options.threads,
    context: options.contextTokens,
    'sweep-ms': 0,
    'parent-pipe': true,
    'log-level': 'error',
  })
  const child = spawn(process.execPath, ['--expose-gc', entry(engineEntry), ...words], {
    env: childEnvironment({ UV_THREADPOOL_SIZE: '1' }),
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })
  const ready = JSON.parse(await nextLine(lines, child)) as { url: string }
  return httpArm(child, ready.url, (prompt, tokens) => ({
    prompt,
    max_tokens: tokens,
    temperature: 0,
    ignore_eos: true,
    stream: true,
    cache_salt: prompt,
  }))
}

/** The library itself, driven in lockstep by `engine-library.ts`. */
export async function libraryArm(options: ArmOptions): Promise<Arm> {
  const program = entry(new URL('./engine-library.ts', import.meta.url))
  const child = spawn(process.execPath, ['--expose-gc', program, JSON.stringify(options)], {
    env: childEnvironment({ UV_THREADPOOL_SIZE: '1' }),
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })
  await nextLine(lines, child)
  return {
    pid: child.pid ?? 0,
    url: '',
    async round(prompts, tokens) {
      child.stdin.write(`${JSON.stringify({ prompts, tokens })}\n`)
      const result = JSON.parse(await nextLine(lines, child)) as { tokensPerS: number }
      return result.tokensPerS
    },
    stop: () => stop(child),
  }
}

/** llama.cpp's own server; `path` is its binary. */
export async function rivalArm(path: string, options: ArmOptions): Promise<Arm> {
  const port = 20_000 + (process.pid % 20_000)
  const words = ['-m', options.model, '--host', '127.0.0.1', '--port', String(port)]
  words.push('-t', String(options.threads), '-tb', String(options.threads))
  words.push('-np', String(options.slots), '-c', String(options.slots * options.contextTokens))
  const child = spawn(path, words, { stdio: 'ignore' })
  const url = `http://127.0.0.1:${port}`
  for (let attempt = 0; ; attempt++) {
    if (child.exitCode !== null || attempt > 600) throw new Error(`${path} did not start`)
    const healthy = await fetch(`${url}/health`).then(
      (response) => response.ok,
      () => false,
    )
    if (healthy) break
    await systemClock.sleep(100)
  }
  return httpArm(child, url, (prompt, tokens) => ({
    prompt,
    max_tokens: tokens,
    n_predict: tokens,
    temperature: 0,
    ignore_eos: true,
    stream: true,
    cache_prompt: false,
  }))
}

function httpArm(
  child: ChildProcess,
  url: string,
  body: (prompt: string, tokens: number) => object,
): Arm {
  return {
    pid: child.pid ?? 0,
    url,
    async round(prompts, tokens) {
      const startMs = systemClock.monotonicMs()
      const counts = await Promise.all(
        prompts.map((prompt) => countEvents(url, '/v1/completions', body(prompt, tokens))),
      )
      const elapsedS = (systemClock.monotonicMs() - startMs) / 1000
      // Some tokens make no text of their own, so events may be fewer; what was forced counts.
      if (counts.some((count) => count === 0)) throw new Error(`${url} answered without events`)
      return (prompts.length * tokens) / elapsedS
    },
    stop: () => stop(child),
  }
}

async function nextLine(lines: Interface, child: ChildProcess): Promise<string> {
  const exit = new AbortController()
  const gone = once(child, 'exit', { signal: exit.signal }).then(([code]) => {
    throw new Error(`the process ended with ${code}`)
  })
  try {
    const [line] = (await Promise.race([once(lines, 'line'), gone])) as [string]
    return line
  } finally {
    exit.abort()
    gone.catch(() => undefined)
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  await exited
}
