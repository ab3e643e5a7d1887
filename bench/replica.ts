/** One of several gateways at a database, behind networks that can be cut. */
import { mkdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type CutProxy, startCutProxy } from './cut-proxy.ts'
import { type Server, startServer } from './server.ts'

export type FaultName = 'kill' | 'stop' | 'cut'

export interface ReplicaOptions {
  name: string
  home: string
  databaseUrl: string
  /** Where the database listens. */
  address: { socketPath: string | undefined; host: string; port: number }
  keys: Record<string, string>
  /** Folder of the code that it runs until its first restart; this one where absent. */
  firstRepository?: string | undefined
  /** Identifiers of gateways that are cut off. */
  cutIds: Set<string>
  log: (line: string) => void
}

/** A span in which a gateway was not well; `toMs` is infinite while it lasts. */
export interface Illness {
  fromMs: number
  toMs: number
}

export class Replica {
  readonly name: string
  readonly illnesses: Illness[] = []
  readonly #options: ReplicaOptions
  #database: CutProxy | undefined
  #peers: CutProxy | undefined
  #server: Server | undefined
  #id: string | undefined
  #fault: FaultName | undefined
  #isCut = false

  constructor(options: ReplicaOptions) {
    this.name = options.name
    this.#options = options
  }

  get server(): Server {
    if (this.#server === undefined) throw new Error(`${this.name} does not run`)
    return this.#server
  }

  /** Where clients reach it. */
  get url(): string | undefined {
    return this.#server?.url
  }

  get clusterUrl(): string {
    return `http://127.0.0.1:${this.#peers?.port}`
  }

  async open(): Promise<void> {
    const { address, cutIds } = this.#options
    const { socketPath, host, port } = address
    const isCut = (caller: string | undefined) =>
      this.#isCut || (caller !== undefined && cutIds.has(caller))
    this.#database = await startCutProxy(
      () => (socketPath === undefined ? connect(port, host) : connect(socketPath)),
      () => this.#isCut,
    )
    this.#peers = await startCutProxy(() => {
      const at = this.#server?.url
      return at === undefined ? undefined : connect(Number(new URL(at).port), '127.0.0.1')
    }, isCut)
    await this.#start(this.#options.firstRepository)
  }

  async fault(kind: FaultName): Promise<void> {
    this.illnesses.push({ fromMs: performance.now(), toMs: Number.POSITIVE_INFINITY })
    this.#fault = kind
    if (kind === 'kill') {
      await this.server.kill()
      this.#server = undefined
    } else if (kind === 'stop') process.kill(this.server.pid, 'SIGSTOP')
    else this.#cut(true)
  }

  /** Ends the fault; it is well once it is ready again. */
  async heal(): Promise<void> {
    if (this.#fault === 'kill') await this.#start()
    else if (this.#fault === 'stop') process.kill(this.server.pid, 'SIGCONT')
    else this.#cut(false)
    this.#fault = undefined
    await waitFor(`${this.name} is ready`, 30_000, () => this.isReady())
    const last = this.illnesses.at(-1)
    if (last !== undefined) last.toMs = performance.now()
  }

  /** Ends it as an upgrade does and starts it again. @returns milliseconds until it had left */
  async restart(): Promise<number> {
    const startMs = performance.now()
    await this.server.end()
    const tookMs = performance.now() - startMs
    this.#server = undefined
    await this.#start()
    return tookMs
  }

  async isReady(): Promise<boolean> {
    if (this.#server === undefined) return false
    const signal = AbortSignal.timeout(1000)
    const answer = await fetch(`${this.#server.url}/readyz`, { signal }).catch(() => undefined)
    if (answer?.status !== 200) return false
    const { reasons } = (await answer.json()) as { reasons: string[] }
    return !reasons.some((reason) => reason.includes('schedules'))
  }

  async close(): Promise<void> {
    if (this.#fault === 'stop') process.kill(this.server.pid, 'SIGCONT')
    this.#cut(false)
    await this.#server?.end()
    await this.#peers?.close()
    await this.#database?.close()
  }

  #cut(isCut: boolean): void {
    this.#isCut = isCut
    const { cutIds } = this.#options
    if (this.#id !== undefined) {
      if (isCut) cutIds.add(this.#id)
      else cutIds.delete(this.#id)
    }
    this.#database?.apply()
    this.#peers?.apply()
  }

  async #start(repository?: string): Promise<void> {
    const { home, databaseUrl, keys, log } = this.#options
    mkdirSync(home, { recursive: true })
    const url = new URL(databaseUrl)
    url.hostname = '127.0.0.1'
    url.port = String(this.#database?.port)
    url.searchParams.delete('host')
    this.#server = await startServer({
      engine: 'none',
      home,
      ...(repository !== undefined && { repository }),
      environment: {
        ...keys,
        DATABASE_URL: url.href,
        GRISTMILL_CLUSTER_URL: this.clusterUrl,
      },
      log: (line) => log(`${this.name}: ${line}`),
    })
    this.#id = await idIn(home)
  }
}

/** How a gateway calls itself, by its home. */
async function idIn(home: string): Promise<string> {
  const secret = await readFile(join(home, 'secrets', 'gateway'))
  return `gw_${secret.toString('hex').slice(0, 16)}`
}

/** Resolves once something holds. @throws Error when it does not in time */
export async function waitFor(
  what: string,
  msMax: number,
  holds: () => Promise<boolean>,
): Promise<void> {
  const untilMs = performance.now() + msMax
  while (!(await holds())) {
    if (performance.now() > untilMs) throw new Error(`${what}: not within ${msMax} ms`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
