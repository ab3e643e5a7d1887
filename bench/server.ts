/** A real server of our own for a benchmark: temporary home, free port, gone afterwards. */
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AdminClient } from '../src/cli/client.ts'
import { prepareHome } from '../src/store/test-database.ts'

export interface ServerOptions {
  /** Path of a GGUF file, a model's name, or `toy`; the default model where absent. */
  model?: string | undefined
  /** `none` starts no engine. */
  engine?: 'embedded' | 'none'
  /** A home that exists already and stays; else one is made and removed at the end. */
  home?: string
  /** Folder of the code to run; this one where absent. */
  repository?: string
  environment?: Record<string, string>
  /** Gets what the server says while it starts. */
  log?: (line: string) => void
}

export interface Server {
  url: string
  pid: number
  home: string
  /** Of the tenant `default`; null where the home was used before. */
  apiKey: string | null
  model: string | null
  toyModel: boolean
  admin: AdminClient
  /** Ends it as Ctrl-C does; the home stays. */
  end(): Promise<void>
  /** Ends it and removes its home if it was made for it. */
  stop(): Promise<void>
  /** Ends it with -9; the home stays. */
  kill(): Promise<void>
}

const REPOSITORY = fileURLToPath(new URL('..', import.meta.url))

/** Starts a server and resolves when it is ready. @throws Error with what it said when it is not */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const { model, engine = 'embedded', log = () => undefined } = options
  const home = options.home ?? mkdtempSync(join(tmpdir(), 'gristmill-bench-'))
  // As root PostgreSQL runs as its own user, which has to pass through.
  chmodSync(home, 0o711)
  // To make a database takes longer than the rest of a start. Other code has another schema.
  if (options.home === undefined && options.repository === undefined) await prepareHome(home)
  const words = ['start', '--json', '--port', '0', '--home', home, '--engine', engine]
  if (model !== undefined) words.push('--model', model)
  const program = join(options.repository ?? REPOSITORY, 'src', 'cli', 'program.ts')
  const child = spawn(process.execPath, [program, ...words], {
    env: { ...process.env, ...options.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exit = new Promise<void>((resolve) => child.on('exit', () => resolve()))
  const removeHome = () => {
    if (options.home === undefined) rmSync(home, { recursive: true, force: true })
  }
  try {
    const ready = await readyLine(child, log)
    return {
      ...ready,
      admin: new AdminClient({ home, clientUrl: ready.url, clientApiKey: undefined }),
      async end() {
        child.kill('SIGTERM')
        await exit
      },
      async stop() {
        child.kill('SIGTERM')
        await exit
        removeHome()
      },
      async kill() {
        child.kill('SIGKILL')
        await exit
      },
    }
  } catch (error) {
    child.kill('SIGKILL')
    await exit
    removeHome()
    throw error
  }
}

type Ready = Omit<Server, 'admin' | 'end' | 'stop' | 'kill'>

async function readyLine(child: ChildProcess, log: (line: string) => void): Promise<Ready> {
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-10_000)
    log(text.trimEnd())
  })
  let out = ''
  return new Promise((resolve, reject) => {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      out += text
      if (out.includes('\n')) resolve(JSON.parse(out) as Ready)
    })
    child.on('exit', (code) => reject(new Error(`the server ended with ${code}: ${said}`)))
  })
}

/** A tenant with a key of its own. */
export async function createTenant(
  { admin }: Pick<Server, 'admin'>,
  name: string,
  weight = 1,
): Promise<{ id: string; key: string }> {
  const { id } = await admin.post<{ id: string }>('/api/tenants', { name, weight })
  const { key } = await admin.post<{ key: string }>('/api/keys', { tenantId: id })
  return { id, key }
}
