/**
 * Chaos `overshoot`: gateways that share one budget through one PostgreSQL, far more wishes than it
 * allows, and kills at random moments. Judged on the ledger and on the stand-in engine's own count.
 *
 * A gateway is its budgets, ledger and journal in a process of its own: what admission, streams and
 * the scheduler do is not looked at here.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createLogger, seededRandom, systemClock, systemRandom } from '../src/base/index.ts'
import { Budgets, Journal } from '../src/meter/index.ts'
import { writeIntents } from '../src/meter/ledger-rows.ts'
import { charge } from '../src/meter/prices/charge.ts'
import { recoverOpen } from '../src/meter/recovery.ts'
import { openTestDatabase, type TestDatabase } from '../src/store/index.ts'
import { createTenancy, type Tenancy } from '../src/tenancy/index.ts'
import type { GatewayNews, GatewayTask } from './overshoot-gateway.ts'
import { INPUT_TOKENS_MAX, LEASE_MS, OUTPUT_TOKENS_MAX, price } from './overshoot-terms.ts'

export interface OvershootOptions {
  seed?: number
  rounds?: number
  gateways?: number
  callers?: number
  /** Of each round; drawn, up to three, where absent. */
  kills?: number
  log?: (line: string) => void
}

export interface OvershootResult {
  rounds: number
  gateways: number
  callers: number
  kills: number
  requests: number
  recovered: number
  limitNanos: number
  maxSpentNanos: number
  /** The engine's own count, but for what it did for requests whose gateway was killed. */
  maxEngineNanos: number
  overshoots: number
  maxUnspentNanos: number
  lostLeases: number
  /** Of the worst round. */
  servedShareOfLimit: number
  falseRefusals: number
  /** Rounds whose counter is not the sum of its ledger rows. */
  miscounted: number
}

/** Of what callers would use if they were let. */
const LIMIT_SHARE = 0.05
const WISHES_PER_CALLER = 20
const MEAN_INPUT = 200
const MEAN_OUTPUT = 250
const ENGINE_MS_MAX = 30
const KILLS_MAX = 3
const ROUND_MS_MAX = 120_000

export async function chaosOvershoot(options: OvershootOptions = {}): Promise<OvershootResult> {
  const { seed = 1, rounds = 50, gateways = 8, callers = 500 } = options
  const log = options.log ?? (() => undefined)
  const logger = createLogger('error', 'overshoot')
  await using stack = new AsyncDisposableStack()
  const database = await openTestDatabase()
  stack.defer(() => database.close())
  const tenancy = await createTenancy({
    database,
    clock: systemClock,
    random: systemRandom,
    logger,
  })
  stack.defer(() => tenancy.close())
  const folder = mkdtempSync(join(tmpdir(), 'gristmill-overshoot-'))
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const chance = seededRandom(seed)
  const random = () => chance.next()
  const engine = await startEngine(random)
  stack.defer(() => engine.close())
  const wishes = BigInt(callers * WISHES_PER_CALLER) * costOfTokens(MEAN_INPUT, MEAN_OUTPUT)
  const limit = (wishes * BigInt(LIMIT_SHARE * 1000)) / 1000n
  const total = { kills: 0, requests: 0, recovered: 0, overshoots: 0, lostLeases: 0 }
  const seen = { spent: 0n, engine: 0n, unspent: 0n, falseRefusals: 0, miscounted: 0 }
  for (let index = 0; index < rounds; index++) {
    const kills = options.kills ?? Math.floor(random() * (KILLS_MAX + 1))
    const setting = {
      database,
      tenancy,
      folder,
      engine,
      random,
      limit,
      gateways,
      callers,
      kills,
    }
    const round = await new Round(setting, index).play()
    total.kills += round.kills
    total.requests += round.requests
    total.recovered += round.recovered
    total.lostLeases += round.lostLeases
    if (round.spent > limit || round.engineNanos > limit) total.overshoots++
    seen.spent = max(seen.spent, round.spent)
    seen.engine = max(seen.engine, round.engineNanos)
    seen.unspent = max(seen.unspent, limit - round.spent)
    seen.falseRefusals += round.falseRefusals
    if (round.counted !== round.spent) seen.miscounted++
    const share = ((100 * Number(round.spent)) / Number(limit)).toFixed(2)
    log(`round ${index + 1}: ${round.requests} served, ${round.kills} kills, ${share} % spent`)
  }
  return {
    rounds,
    gateways,
    callers,
    ...total,
    limitNanos: Number(limit),
    maxSpentNanos: Number(seen.spent),
    maxEngineNanos: Number(seen.engine),
    maxUnspentNanos: Number(seen.unspent),
    servedShareOfLimit: Number(limit - seen.unspent) / Number(limit),
    falseRefusals: seen.falseRefusals,
    miscounted: seen.miscounted,
  }
}

const max = (a: bigint, b: bigint) => (a > b ? a : b)

function costOfTokens(inputTokens: number, outputTokens: number): bigint {
  const work = { inputTokens, outputTokens, cachedTokens: 0, engineMs: 0, isEmbedding: false }
  return charge(price.rates, work)
}

interface Engine {
  url: string
  /** What it has done, by request. */
  counts: Map<string, bigint>
  close(): void
}

/** Answers after a moment with how many tokens it took, and keeps count. */
async function startEngine(random: () => number): Promise<Engine> {
  const counts = new Map<string, bigint>()
  const server = createServer((request, response) => {
    const inputTokens = 1 + Math.floor(random() * Math.min(INPUT_TOKENS_MAX, 2 * MEAN_INPUT))
    const isLong = random() < 0.05
    const most = isLong ? OUTPUT_TOKENS_MAX : 2 * MEAN_OUTPUT
    const outputTokens = 1 + Math.floor(random() * most)
    const id = new URL(request.url ?? '/', 'http://engine').searchParams.get('id') ?? ''
    counts.set(id, costOfTokens(inputTokens, outputTokens))
    setTimeout(
      () => response.end(JSON.stringify({ inputTokens, outputTokens })),
      random() * ENGINE_MS_MAX,
    )
  })
  // A connection closed for idleness just as it is used would look as if the engine had failed.
  server.keepAliveTimeout = 0
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, counts, close: () => void server.close() }
}

interface Setting {
  database: TestDatabase
  tenancy: Tenancy
  folder: string
  engine: Engine
  random: () => number
  limit: bigint
  gateways: number
  callers: number
  kills: number
}

interface Running {
  name: string
  journal: string
  child: ChildProcess
  callers: number
  ended: Promise<void>
  isDone: boolean
}

/** One budget, from the first request until every lease has expired. */
class Round {
  readonly #setting: Setting
  readonly #index: number
  readonly #refused: { code: string; needed: bigint }[] = []
  readonly #all: Running[] = []
  #tenantId = ''
  #served = 0
  #kills = 0
  #started = 0

  constructor(setting: Setting, index: number) {
    this.#setting = setting
    this.#index = index
  }

  async play() {
    const { database, gateways, callers, kills, random, limit } = this.#setting
    const budgetId = await this.#makeBudget()
    for (let i = 0; i < gateways; i++) {
      this.#start(Math.ceil((callers * (i + 1)) / gateways) - Math.ceil((callers * i) / gateways))
    }
    const perKill = Math.floor(random() * (callers / 8)) + 5
    for (let kill = 0; kill < kills; kill++) await this.#killAfter(perKill * (kill + 1))
    const deadlineMs = performance.now() + ROUND_MS_MAX
    for (const one of this.#all) {
      const late = setTimeout(() => one.child.kill('SIGKILL'), deadlineMs - performance.now())
      await one.ended
      clearTimeout(late)
    }
    const lostLeases = await this.#leasesLeft(budgetId)
    const rows = await database.sql<{ id: string; nanos: string; group: string }[]>`
      select request_id as id, coalesce(charge_nanos, 0)::text as nanos,
        settlement_group as "group"
      from ledger_settlements where tenant_id = ${this.#tenantId}`
    const [counter] = await database.sql<{ spent: string }[]>`
      select spent::text from budget_counters where budget_id = ${budgetId}`
    const spent = rows.reduce((sum, row) => sum + BigInt(row.nanos), 0n)
    const engineNanos = rows.reduce((sum, { id, nanos, group }) => {
      const counted = this.#setting.engine.counts.get(id) ?? 0n
      return sum + (group === 'recovered' ? BigInt(nanos) : counted)
    }, 0n)
    return {
      kills: this.#kills,
      requests: this.#served,
      recovered: rows.filter(({ group }) => group === 'recovered').length,
      spent,
      counted: BigInt(counter?.spent ?? 0),
      engineNanos,
      lostLeases,
      falseRefusals: this.#refused.filter(({ needed }) => spent + needed <= limit).length,
    }
  }

  async #makeBudget(): Promise<string> {
    const { database, tenancy, limit } = this.#setting
    const actor = { name: 'chaos', from: 'local' }
    const tenant = await tenancy.tenants.create({ name: `round ${this.#index}` }, actor)
    this.#tenantId = tenant.id
    const budgets = new Budgets({
      database,
      audit: tenancy.audit,
      clock: systemClock,
      random: systemRandom,
      logger: createLogger('error', 'overshoot'),
      currency: 'USD',
      zoneOf: () => 'UTC',
      waitMsMax: 0,
      leaseMs: LEASE_MS,
      gatewayId: 'chaos',
      isAlone: false,
    })
    const { id } = await budgets.create(
      {
        name: 'shared',
        tenantId: tenant.id,
        unit: 'money',
        limit: (Number(limit) / 1e9).toFixed(9),
        period: 'total',
        isHard: true,
        clamps: false,
      },
      actor,
    )
    await budgets.close()
    return id
  }

  #start(callers: number): void {
    const { database, folder, engine } = this.#setting
    const name = `r${this.#index}g${this.#started++}`
    const journal = join(folder, name)
    mkdirSync(journal)
    const task: GatewayTask = {
      databaseUrl: database.url,
      journal,
      engineUrl: engine.url,
      name,
      tenantId: this.#tenantId,
      callers,
    }
    const path = fileURLToPath(new URL('overshoot-gateway.ts', import.meta.url))
    const child = fork(path, [JSON.stringify(task)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    const one: Running = { name, journal, child, callers, ended, isDone: false }
    child.on('message', (news: GatewayNews) => {
      if (news.kind === 'served') this.#served++
      else if (news.kind === 'done') one.isDone = true
      else this.#refused.push({ code: news.code, needed: BigInt(news.neededNanos) })
    })
    this.#all.push(one)
  }

  /** Kills one once so many requests were served; another takes its place, and its books. */
  async #killAfter(served: number): Promise<void> {
    const isOver = () => this.#all.every(({ isDone }) => isDone)
    while (this.#served < served && !isOver()) await systemClock.sleep(2)
    const living = this.#all.filter(({ isDone, child }) => !isDone && child.exitCode === null)
    const victim = living[Math.floor(this.#setting.random() * living.length)]
    if (victim === undefined) return
    victim.child.kill('SIGKILL')
    await victim.ended
    this.#kills++
    await this.#clearUp(victim)
    if (!isOver()) this.#start(victim.callers)
  }

  /** What the next start of a gateway does, for the requests of one that was killed. */
  async #clearUp({ name, journal: path }: Running): Promise<void> {
    const { sql } = this.#setting.database
    const journal = await Journal.open(path)
    if (journal.left.length > 0) await writeIntents(sql, journal.left)
    await journal.forgetLeft()
    await journal.close()
    await recoverOpen({
      sql,
      clock: systemClock,
      logger: createLogger('error', name),
      isOurs: (requestId) => !requestId.endsWith(`-${name}`),
      priceOf: () => price,
    })
  }

  /** @returns leases that are there although everything has ended and expired */
  async #leasesLeft(budgetId: string): Promise<number> {
    const { sql } = this.#setting.database
    await systemClock.sleep(LEASE_MS)
    await sql`select book_budget_spends(null), reclaim_budget_leases()`
    const [left] = await sql<{ rows: number }[]>`
      select (count(*) filter (where l.amount > 0))::int
        + (case when sum(distinct c.leased) > 0 then 1 else 0 end)::int as rows
      from budget_counters c left join budget_leases l on l.counter_id = c.id
      where c.budget_id = ${budgetId}`
    return left?.rows ?? 0
  }
}
