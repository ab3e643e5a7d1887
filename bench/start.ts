/**
 * `bench start`: how long it takes from `npm start` to the end of a short streamed answer, on a new
 * home and on one that was used before.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ask, newCall, newDispatcher } from './chat-load.ts'
import { firstLine } from './harness.ts'
import { median } from './quantiles.ts'

export interface StartOptions {
  /** Path of a GGUF file, a model's name or `toy`; the default model where absent. */
  model?: string | undefined
  /** Starts on the used home. */
  runs?: number
  log?: (line: string) => void
}

/** Milliseconds since `npm start` was called. */
interface Started {
  /** It says that it is ready. */
  readyMs: number
  firstTokenMs: number
  /** The answer of eight tokens is whole. */
  answeredMs: number
}

interface Ready {
  url: string
  pid: number
  model: string
  apiKey: string | null
}

const REPOSITORY = fileURLToPath(new URL('..', import.meta.url))
const QUESTION = { content: 'What is a mill?', maxTokens: 8 }

export async function benchStart({ model, runs = 5, log = () => undefined }: StartOptions = {}) {
  const home = mkdtempSync(join(tmpdir(), 'gristmill-bench-'))
  // As root PostgreSQL runs as its own user, which has to pass through.
  chmodSync(home, 0o711)
  const args = ['start', '--silent', '--', '--json', '--port', '0', '--home', home]
  if (model !== undefined) args.push('--model', model)
  try {
    const { key, ...first } = await startOnce(args, null)
    log(`a new home: ${inWords(first)}`)
    const later: Started[] = []
    for (let run = 0; run < runs; run++) {
      const { key: _, ...started } = await startOnce(args, key)
      later.push(started)
      log(`a used one: ${inWords(started)}`)
    }
    return {
      first,
      readyMs: median(later.map(({ readyMs }) => readyMs)),
      firstTokenMs: median(later.map(({ firstTokenMs }) => firstTokenMs)),
      answeredMs: median(later.map(({ answeredMs }) => answeredMs)),
      later,
      rounds: runs,
    }
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

const inWords = ({ readyMs, answeredMs }: Started) =>
  `ready after ${(readyMs / 1000).toFixed(2)} s, answered after ${(answeredMs / 1000).toFixed(2)} s`

/** Starts, asks once, and ends it as Ctrl-C does. @param known the key that the first start gave */
async function startOnce(args: string[], known: string | null): Promise<Started & { key: string }> {
  const sinceMs = performance.now()
  const child = spawn('npm', args, { cwd: REPOSITORY, stdio: ['ignore', 'pipe', 'ignore'] })
  const exited = once(child, 'exit')
  const { url, pid, model, apiKey } = (await firstLine(child)) as Ready
  const readyMs = performance.now() - sinceMs
  const dispatcher = newDispatcher()
  try {
    const key = known ?? apiKey
    if (key === null) throw new Error('the first start gave no key')
    const call = newCall()
    const fields = { ignore_eos: true }
    await ask({ url, key, model, fields }, QUESTION, call, dispatcher, new AbortController().signal)
    const [firstMs] = call.tokenMs
    if (call.endMs === null || firstMs === undefined) throw new Error(`refused: ${call.refused}`)
    const since = (ms: number) => ms - sinceMs
    return { readyMs, firstTokenMs: since(firstMs), answeredMs: since(call.endMs), key }
  } finally {
    process.kill(pid, 'SIGTERM')
    await exited
    await dispatcher.destroy()
  }
}
