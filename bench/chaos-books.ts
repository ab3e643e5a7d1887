/**
 * Chaos `books`: the books of a gateway in a child process that kills itself at a random step of
 * its ledger, or lives on while PostgreSQL is killed, the disk is full, or the clock jumps. After
 * each round the ledger is proved and compared with what callers were told. Every fiftieth is a
 * whole gateway.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Clock,
  createLogger,
  type Random,
  seededRandom,
  systemClock,
  systemRandom,
} from '../src/base/index.ts'
import { signalProcess } from '../src/host/index.ts'
import { Budgets, PriceBook, priceInput, verifyRequests } from '../src/meter/index.ts'
import { openTestDatabase, type TestDatabase } from '../src/store/index.ts'
import { createTenancy, type Tenancy } from '../src/tenancy/index.ts'
import { BooksChild } from './books-child-process.ts'
import { CURRENCY, LEASE_MS } from './books-terms.ts'
import { type BookedRow, type Findings, judge, Record } from './books-verdict.ts'
import { WholeGateway } from './books-whole.ts'
import { SmallDisk } from './small-disk.ts'

export interface ChaosBooksOptions {
  seed?: number
  rounds?: number
  log?: (line: string) => void
}

export interface ChaosBooksResult {
  rounds: number
  /** Requests that a caller was told of and that the books have less of, or nothing. */
  lost: number
  /** Requests, or sums of budgets, that the books have more of. */
  doubled: number
  /** Rounds after which the proof of the ledger failed. */
  verifyFailures: number
  requests: number
  refused: number
  recovered: number
  childKills: number
  databaseKills: number
  fullDisks: number
  clockJumps: number
  wholeGateways: number
  problems: string[]
  seed: number
}

const WHOLE_EVERY = 50
const DATABASE_EVERY = 10
/** The whole ledger is proved that often, else what is new. */
const ALL_EVERY = 25
const KILL_SHARE = 0.85
const FULL_SHARE = 0.1
const JUMP_SHARE = 0.15
/** Over the ends of days, and of months that the ledger does not have. */
const JUMP_MS_MAX = 100 * 86_400_000
/** More than a file of the journal has. */
const DISK_LEFT_BYTES_MAX = 1_200_000
const ROUND_MS_MAX = 60_000
const PROBLEMS_SHOWN = 20
/** One plays; the others load meanwhile. */
const SPARE_CHILDREN = 2
/** A server that ends every few seconds would be left alone for ever longer. */
const RESTART_MS_MAX = 250
const serverClock: Clock = {
  ...systemClock,
  sleep: (ms, signal) => systemClock.sleep(Math.min(ms, RESTART_MS_MAX), signal),
}

export async function chaosBooks(options: ChaosBooksOptions = {}): Promise<ChaosBooksResult> {
  const { seed = 1, rounds = 1000, log = () => undefined } = options
  await using stack = new AsyncDisposableStack()
  // A commit must survive the server's death; the machine's is not tested here.
  const database = await openTestDatabase({ settings: { synchronous_commit: 'on' }, serverClock })
  stack.defer(() => database.close())
  const folder = mkdtempSync(join(tmpdir(), 'gristmill-books-'))
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const disk = new SmallDisk(join(folder, 'journal'))
  stack.defer(() => disk.remove())
  const scene = await makeScene(database, disk, seededRandom(seed))
  const chaos = new ChaosBooks(scene)
  stack.defer(() => chaos.close())
  const whole = new WholeGateway(folder, seededRandom(seed + 1))
  stack.defer(() => whole.close())
  // Beside those that follow: it has a home and a database of its own.
  let wholeRound: Promise<void> | undefined
  for (let round = 1; round <= rounds; round++) {
    if (round % WHOLE_EVERY === 0) {
      await wholeRound
      wholeRound = whole.play().then((played) => chaos.count(played))
      // Thrown where it is awaited, which is later.
      wholeRound.catch(() => undefined)
    } else await chaos.play(round, round % ALL_EVERY === 0 || round === rounds)
    const { lost, doubled, verifyFailures } = chaos.result
    if (round % 10 === 0) {
      log(`round ${round}: ${lost} lost, ${doubled} doubled, ${verifyFailures} not proved`)
    }
  }
  await wholeRound
  const problems = chaos.result.problems.slice(0, PROBLEMS_SHOWN)
  return { rounds, ...chaos.result, problems, seed }
}

interface Scene {
  database: TestDatabase
  disk: SmallDisk
  chance: Random
  /** The first has a budget. */
  tenants: string[]
  budgetId: string
}

async function makeScene(database: TestDatabase, disk: SmallDisk, chance: Random): Promise<Scene> {
  const logger = createLogger('error', 'books')
  const actor = { name: 'chaos', from: 'local' } as const
  const common = { database, clock: systemClock, random: systemRandom, logger }
  const tenancy: Tenancy = await createTenancy(common)
  const { audit } = tenancy
  const prices = new PriceBook({ ...common, audit, currency: CURRENCY })
  await prices.open()
  const price = priceInput.parse({ input: '0.15', cachedInput: '0.075', output: '0.6' })
  await prices.add({ prices: [price], note: 'chaos' }, actor)
  prices.close()
  const made = []
  for (const name of ['budgeted', 'free']) made.push(await tenancy.tenants.create({ name }, actor))
  const tenants = made.map(({ id }) => id)
  const leases = {
    zoneOf: () => 'UTC',
    waitMsMax: 0,
    leaseMs: LEASE_MS,
    gatewayId: 'chaos',
    isAlone: false,
  }
  const budgets = new Budgets({ ...common, audit, currency: CURRENCY, ...leases })
  const { id: budgetId } = await budgets.create(
    {
      name: 'day',
      tenantId: tenants[0] ?? '',
      unit: 'money',
      limit: '1000',
      period: 'day',
      isHard: true,
      clamps: false,
    },
    actor,
  )
  await budgets.close()
  await tenancy.close()
  return { database, disk, chance, tenants, budgetId }
}

/** What happens in a round. */
interface Fate {
  killAtStep: number | null
  killsDatabaseAfterMs: number | null
  fillsDisk: boolean
  clockOffsetMs: number
}

class ChaosBooks {
  readonly result: Omit<ChaosBooksResult, 'rounds' | 'seed'> = {
    lost: 0,
    doubled: 0,
    verifyFailures: 0,
    requests: 0,
    refused: 0,
    recovered: 0,
    childKills: 0,
    databaseKills: 0,
    fullDisks: 0,
    clockJumps: 0,
    wholeGateways: 0,
    problems: [],
  }
  readonly #scene: Scene
  #child: BooksChild | undefined
  #isFresh = false
  /** They load while a round runs, to take over after it. */
  readonly #spare: BooksChild[] = []
  /** How many steps a round has that nothing ends. */
  #steps = 300
  /** What the present child has counted already. */
  #doubleSettled = 0
  /** Where the requests of this round begin. */
  #first = ''

  constructor(scene: Scene) {
    this.#scene = scene
  }

  async play(round: number, provesAll: boolean): Promise<void> {
    const child = this.#child ?? (await this.#open())
    const fate = this.#draw(round)
    const record = new Record()
    child.hear = (news) => record.hear(news, performance.now())
    await this.#run(child, fate)
    child.hear = () => undefined
    if (child.hasEnded) {
      this.result.childKills++
      this.#child = undefined
      await this.#open()
    }
    this.result.requests += record.told.size
    this.result.refused += record.refused.size
    this.#note(round, judge(record, await this.#rows(record)))
    this.#note(round, await this.#budget())
    await this.#prove(round, provesAll)
  }

  /** A round that was played elsewhere. */
  count({ lost, doubled, verifyFailures, requests, problems }: WholeRound): void {
    this.result.wholeGateways++
    this.result.lost += lost
    this.result.doubled += doubled
    this.result.verifyFailures += verifyFailures
    this.result.requests += requests
    this.result.problems.push(...problems)
  }

  async close(): Promise<void> {
    await Promise.all([this.#child?.close(), ...this.#spare.map((child) => child.kill())])
  }

  async #open(): Promise<BooksChild> {
    const { database, disk, tenants, chance } = this.#scene
    while (this.#spare.length <= SPARE_CHILDREN) this.#spare.push(new BooksChild())
    const child = this.#spare.shift() as BooksChild
    await child.next('loaded')
    const opened = child.next('open')
    const seed = Math.floor(chance.next() * 2 ** 31)
    const task = { databaseUrl: database.url, journal: disk.path, seed, tenants }
    child.send({ kind: 'open', ...task })
    const news = await opened
    if (news?.kind !== 'open') throw new Error('a child ended before its books were open')
    this.result.recovered += news.recovered
    this.#child = child
    this.#isFresh = true
    this.#doubleSettled = 0
    return child
  }

  #draw(round: number): Fate {
    const { chance, database } = this.#scene
    const random = () => chance.next()
    const [killed, filled, jumped, isBoth] = [random(), random(), random(), random() < 0.5]
    const [share, moment, jump] = [random(), random(), random()]
    const killsDatabase = round % DATABASE_EVERY === 2 && database.server !== undefined
    const killsChild = killed < KILL_SHARE && (!killsDatabase || isBoth)
    return {
      killAtStep: killsChild ? 1 + Math.floor(share * this.#steps) : null,
      killsDatabaseAfterMs: killsDatabase ? Math.floor(moment * 300) : null,
      fillsDisk: filled < FULL_SHARE && this.#isFresh,
      clockOffsetMs: jumped < JUMP_SHARE ? Math.round((2 * jump - 1) * JUMP_MS_MAX) : 0,
    }
  }

  /** Resolves when the child has played all of it, or is dead. */
  async #run(child: BooksChild, fate: Fate): Promise<void> {
    const { disk, chance } = this.#scene
    const { killAtStep, clockOffsetMs } = fate
    const done = child.next('done')
    if (fate.fillsDisk) {
      this.result.fullDisks++
      // Often so little that not all of a round fits.
      if (disk.isSmall) disk.fill(Math.floor(chance.next() ** 6 * DISK_LEFT_BYTES_MAX))
    }
    const diskFault = fate.fillsDisk ? (disk.isSmall ? 'full' : 'pretended') : null
    if (clockOffsetMs !== 0) this.result.clockJumps++
    this.#isFresh = false
    child.send({ kind: 'round', killAtStep, clockOffsetMs, diskFault })
    const others = Promise.all([this.#killDatabase(fate), this.#makeRoom(child, fate)])
    const late = setTimeout(() => {
      this.result.problems.push('a round did not end')
      this.result.lost++
      void child.kill()
    }, ROUND_MS_MAX)
    const news = await done
    clearTimeout(late)
    await others
    if (news?.kind !== 'done') return
    this.#steps = news.steps
    this.result.doubled += news.doubleSettled - this.#doubleSettled
    this.#doubleSettled = news.doubleSettled
    // Whose turn was to come after all that it did.
    if (killAtStep !== null) await child.kill()
  }

  async #killDatabase({ killsDatabaseAfterMs: afterMs }: Fate): Promise<void> {
    const { server } = this.#scene.database
    if (afterMs === null || server === undefined) return
    await systemClock.sleep(afterMs)
    const pid = server.pid()
    if (pid === undefined) return
    signalProcess(pid, 'SIGKILL')
    this.result.databaseKills++
    // Not before it is away: what asks next is to wait until it is back.
    while (server.pid() === pid) await systemClock.sleep(5)
    while (server.pid() === undefined) await systemClock.sleep(5)
    while (!this.#scene.database.isUp()) await systemClock.sleep(5)
  }

  async #makeRoom(child: BooksChild, { fillsDisk }: Fate): Promise<void> {
    if (!fillsDisk) return
    await systemClock.sleep(150)
    this.#scene.disk.makeRoom()
    child.send({ kind: 'room' })
  }

  async #rows(record: Record): Promise<BookedRow[]> {
    const ids = [...record.told.keys(), ...record.refused.keys()]
    return await this.#scene.database.sql<BookedRow[]>`
      select i.request_id as id, s.settlement_group as "group",
        coalesce(s.input_tokens, 0) as "inputTokens",
        coalesce(s.cached_tokens, 0) as "cachedTokens",
        coalesce(s.output_tokens, 0) as "outputTokens"
      from ledger_intents i left join ledger_settlements s using (request_id)
      where i.request_id in (select jsonb_array_elements_text(${JSON.stringify(ids)}::text::jsonb))`
  }

  /** What counters say was spent against the rows that spent it. */
  async #budget(): Promise<Findings> {
    const { database, budgetId } = this.#scene
    await database.sql`select book_budget_spends(null)`
    const [row] = await database.sql<{ counted: string; booked: string }[]>`
      select (select coalesce(sum(spent), 0)::text from budget_counters
          where budget_id = ${budgetId}) as counted,
        (select coalesce(sum(charge_nanos), 0)::text from ledger_settlements
          join ledger_intents using (request_id) where reserved is not null) as booked`
    const { counted = '', booked = '' } = row ?? {}
    const said = [`the budget counts ${counted}, its requests come to ${booked}`]
    if (BigInt(counted) > BigInt(booked)) return { lost: [], doubled: said }
    return { lost: BigInt(counted) < BigInt(booked) ? said : [], doubled: [] }
  }

  /** Nothing runs now, so that what is open was lost. */
  async #prove(round: number, all: boolean): Promise<void> {
    const { sql } = this.#scene.database
    let after: string | null = all ? '' : this.#first
    while (after !== null) {
      const { broken, open, next } = await verifyRequests(sql, after)
      if (broken !== null || open > 0) {
        this.result.verifyFailures++
        this.result.problems.push(
          `round ${round}: ${broken ? `${broken.id} ${broken.what}` : `${open} open`}`,
        )
      }
      after = next
    }
  }

  #note(round: number, { lost, doubled }: Findings): void {
    this.result.lost += lost.length
    this.result.doubled += doubled.length
    for (const what of [...lost, ...doubled]) this.result.problems.push(`round ${round}: ${what}`)
  }
}

export type WholeRound = Pick<
  ChaosBooksResult,
  'lost' | 'doubled' | 'verifyFailures' | 'requests' | 'problems'
>
