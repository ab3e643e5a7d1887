/**
 * The real program for scenario tests: `gristmill start` as a process of its own with a home of
 * its own, real PostgreSQL and the real engine with the toy model. Never used by the program.
 *
 *   const server = await startServer()
 *   const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: server.apiKey })
 *   await server.stop()
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { childEnvironment } from '../src/base/index.ts'
import { prepareHome } from '../src/store/test-database.ts'

const PROGRAM = fileURLToPath(new URL('../src/cli/program.ts', import.meta.url))

/** The line that `start --json` prints. */
export interface ReadyLine {
  url: string
  pid: number
  home: string
  apiKey: string | null
  adminLink: string | null
  model: string | null
  embeddingModel: string | null
  toyModel: boolean
}

export interface ServerOptions {
  /**
   * Data home, which `stop` leaves and `removeHome` removes; by default a new one of
   * `preparedHome`, or of `newHome` where nobody waits for the start.
   */
  home?: string
  /** Model of the embedded engine, `toy` by default; null leaves the choice to the program. */
  model?: string | null
  /** Added to or, where undefined, taken out of the environment. */
  env?: Record<string, string | undefined>
  /** After `start --json --port 0 --home HOME`. */
  args?: string[]
  /** What to run instead of `node src/cli/program.ts`. */
  command?: string[]
  cwd?: string
  /** Id of the user and group that run it; whoever runs the tests where absent. */
  userId?: number | undefined
}

/** How a process ended, and what it had to say. */
export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

/** A start that is under way or over. */
export interface Starting {
  process: ChildProcess
  home: string
  /** Rejects when the process ends before it. */
  ready: Promise<ReadyLine>
  ended: Promise<Ended>
  /** Lines of standard error so far. */
  notes: string[]
}

export interface TestServer extends Starting {
  line: ReadyLine
  url: string
  /** Key of the tenant `default`; of a later start that of the first is given by the test. */
  apiKey: string
  /** A request under `/api` as the command line of this machine; throws unless it succeeds. */
  api<Answer>(method: string, path: string, body?: unknown): Promise<Answer>
  /** A request under `/v1` with the key, or another one. */
  v1(path: string, body: unknown, options?: V1Options): Promise<Response>
  /** A tenant with a key of its own. */
  tenant(name: string, values?: Record<string, unknown>): Promise<{ id: string; key: string }>
  /** Ends it by a signal and waits. */
  stop(signal?: NodeJS.Signals): Promise<Ended>
}

export interface V1Options {
  key?: string
  headers?: Record<string, string>
  signal?: AbortSignal
}

/** Cap and threads are given, so that no start measures the engine. */
const ENVIRONMENT = {
  GRISTMILL_ENGINE_CAP: '4',
  GRISTMILL_ENGINE_THREADS: '1',
  GRISTMILL_OFFLINE: '1',
  GRISTMILL_PARENTS: String(process.pid),
  DATABASE_URL: undefined,
}

/** A folder for a data home that the user PostgreSQL runs as can reach. */
export function newHome(): string {
  const home = mkdtempSync(join(tmpdir(), 'gristmill-scenario-'))
  chmodSync(home, 0o711)
  return home
}

/** One whose database is there already, as making it takes longer than the rest of a start. */
export async function preparedHome(): Promise<string> {
  const home = newHome()
  await prepareHome(home)
  return home
}

export function removeHome(home: string): void {
  rmSync(home, { recursive: true, force: true })
}

/** Starts the program without waiting for it; for starts that fail or take their time. */
export function beginServer(options: ServerOptions = {}): Starting {
  const home = options.home ?? newHome()
  const [command = '', ...first] = options.command ?? [process.execPath, PROGRAM]
  const { model = 'toy' } = options
  const flags = ['start', '--json', '--port', '0', '--home', home]
  if (model !== null) flags.push('--model', model)
  const child = spawn(command, [...first, ...flags, ...(options.args ?? [])], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: childEnvironment({ ...ENVIRONMENT, ...options.env }),
    cwd: options.cwd,
    ...(options.userId !== undefined && { uid: options.userId, gid: options.userId }),
  })
  const printed: string[] = []
  const notes: string[] = []
  const ready = Promise.withResolvers<ReadyLine>()
  createInterface({ input: child.stdout }).on('line', (text) => {
    printed.push(text)
    if (text.startsWith('{"url"')) ready.resolve(JSON.parse(text) as ReadyLine)
  })
  createInterface({ input: child.stderr }).on('line', (text) => notes.push(text))
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      resolve({ code, signal, stdout: printed.join('\n'), stderr: notes.join('\n') })
    })
  })
  ended.then(
    ({ code, signal, stderr }) =>
      ready.reject(new Error(`it ended with ${signal ?? code} before it was ready:\n${stderr}`)),
    ready.reject,
  )
  // Who waits for the end only is not told of it twice.
  ready.promise.catch(() => {})
  return { process: child, home, ready: ready.promise, ended, notes }
}

/** Starts the program and waits until it answers. */
export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const home = options.home ?? (await preparedHome())
  const starting = beginServer({ ...options, home })
  const line = await starting.ready
  const { url, apiKey } = line
  const api = async <Answer>(method: string, path: string, body?: unknown): Promise<Answer> => {
    const token = readFileSync(join(starting.home, 'cli-token'), 'utf8')
    const response = await fetch(url + path, {
      method,
      headers: { 'x-gristmill-local': token, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return (text === '' ? null : JSON.parse(text)) as Answer
  }
  return {
    ...starting,
    line,
    url,
    apiKey: apiKey ?? '',
    api,
    v1: (path, body, { key = apiKey ?? '', headers = {}, signal } = {}) =>
      fetch(`${url}/v1${path}`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${key}`,
          'content-type': 'application/json',
          ...headers,
        },
        body: JSON.stringify(body),
        ...(signal && { signal }),
      }),
    tenant: async (name, values = {}) => {
      const tenant = await api<{ id: string }>('POST', '/api/tenants', { name, ...values })
      const { key } = await api<{ key: string }>('POST', '/api/keys', {
        tenantId: tenant.id,
        name: 'test',
      })
      return { id: tenant.id, key }
    },
    stop: (signal = 'SIGTERM') => {
      starting.process.kill(signal)
      return starting.ended
    },
  }
}

/** A streamed chat request to the toy model, whose answer is exactly so long (0.7 ms a token). */
export function chatBody(maxTokens: number, changes: Record<string, unknown> = {}) {
  return {
    model: 'toy',
    messages: [{ role: 'user', content: 'Tell me about mills.' }],
    max_tokens: maxTokens,
    stream: true,
    ignore_eos: true,
    ...changes,
  }
}

/** What came of a streamed answer. */
export interface StreamEnd {
  text: string
  /** Chunks with text. */
  chunks: number
  finishReason: string | null
  /** The error event, where the answer ended with one. */
  error: { code: string; message: string; retry_after_ms?: number } | null
  done: boolean
  /** Why the connection broke, where it did. */
  broken: string | null
}

/** Reads a streamed answer to its end; never rejects. `onChunk` is told of each one with text. */
export async function readStream(
  response: Response,
  onChunk: (chunks: number) => void = () => {},
): Promise<StreamEnd> {
  const end: StreamEnd = {
    text: '',
    chunks: 0,
    finishReason: null,
    error: null,
    done: false,
    broken: null,
  }
  try {
    for await (const data of events(response)) {
      if (data === '[DONE]') end.done = true
      else take(end, JSON.parse(data) as ChatChunk, onChunk)
    }
  } catch (error) {
    end.broken = String((error as Error).cause ?? error)
  }
  return end
}

interface ChatChunk {
  error?: StreamEnd['error']
  choices?: { delta?: { content?: string }; finish_reason?: string | null }[]
}

function take(end: StreamEnd, chunk: ChatChunk, onChunk: (chunks: number) => void): void {
  if (chunk.error) end.error = chunk.error
  const [choice] = chunk.choices ?? []
  if (choice?.finish_reason) end.finishReason = choice.finish_reason
  if (!choice?.delta?.content) return
  end.text += choice.delta.content
  onChunk(++end.chunks)
}

async function* events(response: Response): AsyncGenerator<string> {
  let rest = ''
  for await (const bytes of response.body ?? []) {
    rest += Buffer.from(bytes).toString('utf8')
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    for (const text of lines) if (text.startsWith('data: ')) yield text.slice(6)
  }
}

/** Processes that work on a home: the program, its watchers, the engine and the database. */
export function processesOf(home: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && worksOn(pid, home))
}

function worksOn(pid: number, home: string): boolean {
  try {
    if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(home)) return true
    return readlinkSync(`/proc/${pid}/cwd`).startsWith(home)
  } catch (error) {
    // Gone meanwhile, or only its remains.
    const { code = '' } = error as NodeJS.ErrnoException
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(code)) return false
    throw error
  }
}
