/**
 * Chaos `replicas`: three gateways at one database in front of two engines, all loaded by two
 * tenants. Gateways are killed, stopped and cut off, the one that schedules at least every other
 * time; what the engines ran, whom they served and what clients saw is counted throughout.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Random, seededRandom } from '../src/base/index.ts'
import { openTestDatabase, type TestDatabase } from '../src/store/index.ts'
import { type CountedEngine, startCountedEngine } from './counted-engine.ts'
import { percentile } from './quantiles.ts'
import { type FaultName, type Replica, waitFor } from './replica.ts'
import { ReplicaLoad } from './replica-load.ts'
import { holderOf, startReplicas } from './replicas.ts'
import { createTenant } from './server.ts'

export interface ReplicasOptions {
  rounds?: number
  seed?: number
  log?: (line: string) => void
}

export interface ReplicasResult {
  rounds: number
  /** Requests on an engine at once ÷ (cap + express). */
  maxInFlightOverCap: number
  /** Largest difference of weighted service over any part of the run ÷ its bound. */
  gapOver2U: number
  /** Requests that an engine was given more than once. */
  doubleGrants: number
  /** From a fault of the holder to the next start of a request. */
  takeoverP99Ms: number
  takeoversMs: number[]
  /** Errors of clients whose gateway was well. */
  survivorErrors: number
  errors: string[]
  /** Requests at gateways that were well of which nothing was heard any more. */
  lostTickets: number
  requests: number
  faults: Record<string, number>
  seed: number
}

const CAP = 4
const EXPRESS = 1
const CONTEXT = 512
const WEIGHTS = { a: 1, b: 2 }
const KINDS: FaultName[] = ['kill', 'stop', 'cut']
const SHORT_MS = 3500
const LONG_MS = 7000
const MODEL = 'counted'

export async function chaosReplicas(options: ReplicasOptions = {}): Promise<ReplicasResult> {
  const { rounds = 50, seed = 1, log = () => undefined } = options
  const random = seededRandom(seed)
  const stack = new AsyncDisposableStack()
  try {
    const folder = mkdtempSync(join(tmpdir(), 'gristmill-replicas-'))
    stack.defer(() => rmSync(folder, { recursive: true, force: true }))
    const database = await openTestDatabase()
    stack.defer(() => database.close())
    const engines: CountedEngine[] = []
    for (let i = 0; i < 2; i++) {
      const shape = {
        cap: CAP,
        express: EXPRESS,
        model: MODEL,
        contextTokens: CONTEXT,
        tokenMs: 40,
      }
      const engine = await startCountedEngine(shape)
      stack.defer(() => engine.close())
      engines.push(engine)
    }
    const replicas = await startReplicas(folder, database, random, log, stack)
    const run = new ReplicasRun(replicas, engines, database, random, log)
    await run.prepare(stack)
    for (let round = 1; round <= rounds; round++) {
      log(`round ${round} of ${rounds}: ${await run.round()}`)
    }
    return { rounds, ...(await run.end()), seed }
  } finally {
    await stack.disposeAsync()
  }
}

class ReplicasRun {
  readonly #replicas: Replica[]
  readonly #engines: CountedEngine[]
  readonly #database: TestDatabase
  readonly #random: Random
  readonly #log: (line: string) => void
  readonly #takeoversMs: number[] = []
  readonly #faults: Record<string, number> = {}
  /** Lead of one tenant over the other in weighted service, as it was over time. */
  readonly #leads: number[] = []
  #load: ReplicaLoad | undefined
  #lastWasHolder = false

  constructor(
    replicas: Replica[],
    engines: CountedEngine[],
    database: TestDatabase,
    random: Random,
    log: (line: string) => void,
  ) {
    this.#replicas = replicas
    this.#engines = engines
    this.#database = database
    this.#random = random
    this.#log = log
  }

  async prepare(stack: AsyncDisposableStack): Promise<void> {
    const holder = await this.#holder()
    const keys: Record<string, string> = {}
    for (const [name, weight] of Object.entries(WEIGHTS)) {
      keys[name] = (await createTenant(holder.server, name, weight)).key
    }
    for (const [i, { url }] of this.#engines.entries()) {
      await holder.server.admin.post('/api/engines', { url, name: `engine-${i + 1}` })
    }
    const load = new ReplicaLoad(this.#replicas, keys, MODEL, this.#random)
    await waitFor('all gateways know the engines', 15_000, () => load.isServedEverywhere())
    load.start()
    this.#load = load
    const timer = setInterval(() => this.#leads.push(this.#lead()), 200)
    stack.defer(async () => {
      clearInterval(timer)
      await load.stop()
    })
    await sleep(1000)
  }

  /** One fault from its beginning until all are well again. @returns what it was */
  async round(): Promise<string> {
    const holder = await this.#holder()
    const others = this.#replicas.filter((one) => one !== holder)
    const isHolder = !this.#lastWasHolder || this.#random.next() < 0.5
    this.#lastWasHolder = isHolder
    const target = isHolder ? holder : pick(others, this.#random)
    const kind = pick(KINDS, this.#random)
    const what = `${kind} of ${target.name}${isHolder ? ', which schedules' : ''}`
    this.#faults[`${kind}${isHolder ? ' holder' : ''}`] =
      (this.#faults[`${kind}${isHolder ? ' holder' : ''}`] ?? 0) + 1
    const fromMs = performance.now()
    await target.fault(kind)
    await sleep(kind === 'kill' ? 500 : this.#random.next() < 0.3 ? 1500 : this.#lengthMs())
    if (isHolder && kind === 'kill')
      await waitFor('a takeover', 15_000, () => this.#hasTaken(target))
    // A fault may be over before anybody else can know of it.
    const hasTaken = isHolder && (await this.#hasTaken(target))
    const tookMs = hasTaken ? this.#idleMs(fromMs, performance.now()) : null
    if (tookMs !== null) this.#takeoversMs.push(tookMs)
    await target.heal()
    await waitFor('all gateways are well', 30_000, () => this.#areWell())
    await sleep(1000)
    return tookMs === null ? what : `${what}; idle for ${Math.round(tookMs)} ms`
  }

  async end(): Promise<Omit<ReplicasResult, 'rounds' | 'seed'>> {
    const load = this.#load
    if (load === undefined) throw new Error('there was no load')
    await load.stop()
    const { errors, lost, requests } = load.verdict()
    for (const line of errors.slice(0, 20)) this.#log(line)
    const begun = new Map<string, number>()
    for (const engine of this.#engines) {
      for (const [id, times] of engine.begun) begun.set(id, (begun.get(id) ?? 0) + times)
    }
    const gap = maxOf(this.#leads) + maxOf(this.#leads.map((lead) => -lead))
    const units = Math.max(CONTEXT, 2 * (CAP + EXPRESS) * 2 * CONTEXT)
    return {
      maxInFlightOverCap: maxOf(this.#engines.map((one) => one.inFlightMost)) / (CAP + EXPRESS),
      gapOver2U: gap / ((2 * units) / Math.min(...Object.values(WEIGHTS))),
      doubleGrants: [...begun.values()].filter((times) => times > 1).length,
      takeoverP99Ms: percentile(this.#takeoversMs, 0.99),
      takeoversMs: this.#takeoversMs.map(Math.round),
      survivorErrors: errors.length,
      errors: errors.slice(0, 20),
      lostTickets: lost,
      requests,
      faults: this.#faults,
    }
  }

  #lengthMs(): number {
    return SHORT_MS + this.#random.next() * (LONG_MS - SHORT_MS)
  }

  /** How far one tenant is ahead of the other in service ÷ weight. */
  #lead(): number {
    const of = (tenant: string) =>
      2 * this.#engines.reduce((sum, { tokens }) => sum + (tokens.get(tenant) ?? 0), 0)
    return of('a') / WEIGHTS.a - of('b') / WEIGHTS.b
  }

  /** The longest time without any start of a request. */
  #idleMs(fromMs: number, toMs: number): number {
    const starts = this.#engines.flatMap(({ startsMs }) => startsMs)
    const within = starts.filter((at) => at > fromMs && at < toMs).sort((a, b) => a - b)
    const marks = [fromMs, ...within, toMs]
    return maxOf(marks.slice(1).map((at, i) => at - (marks[i] ?? at)))
  }

  #holder(): Promise<Replica> {
    return holderOf(this.#replicas, this.#database)
  }

  async #hasTaken(target: Replica): Promise<boolean> {
    const [row] = await this.#database.sql<{ url: string }[]>`
      select g.url from scheduler_takeovers t join gateways g on g.id = t.gateway_id
      order by token desc limit 1`
    return row !== undefined && row.url !== target.clusterUrl
  }

  async #areWell(): Promise<boolean> {
    const ready = await Promise.all(this.#replicas.map((one) => one.isReady()))
    return ready.every(Boolean)
  }
}

const maxOf = (values: readonly number[]) => values.reduce((a, b) => Math.max(a, b), 0)

const pick = <Item>(items: readonly Item[], random: Random): Item =>
  items[Math.floor(random.next() * items.length)] as Item

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
