/**
 * The books of one gateway for chaos `books`: ledger writer, budgets and journal, with callers and
 * a stand-in engine in the same process. It counts the steps of the ledger and kills itself with -9
 * before the one that it is told. What its callers were told is what came through to the parent.
 */
import { flushCompileCache } from 'node:module'
import {
  type Clock,
  createLogger,
  GristmillError,
  newId,
  Registry,
  seededRandom,
  systemClock,
  systemRandom,
} from '../src/base/index.ts'
import {
  Budgets,
  chargeMax,
  costOf,
  createLedger,
  type Hold,
  Journal,
  type Ledger,
  NO_COST,
  PriceBook,
  type PriceInForce,
  priced,
  type Settlement,
  type TokenCounts,
} from '../src/meter/index.ts'
import { openDatabase, type Sql } from '../src/store/index.ts'
import { createTenancy } from '../src/tenancy/index.ts'
import {
  CURRENCY,
  type DiskFault,
  INPUT_TOKENS_MAX,
  LEASE_MS,
  type News,
  type Order,
  OUTPUT_TOKENS_MAX,
} from './books-terms.ts'

const CALLERS = 6
const CALLS_PER_CALLER = 8
const MODEL = 'mock'
const ENDPOINT = '/v1/chat/completions'
const GATEWAY = { gatewayId: 'gw_books', isAlone: true }
const OPEN_MS_MAX = 30_000

const tell = (news: News) => void process.send?.(news)
const logger = createLogger('fatal', 'books')
let offsetMs = 0
const clock: Clock = { ...systemClock, nowMs: () => Math.round(systemClock.nowMs() + offsetMs) }

/** Counts what the ledger does, and ends it all before a given step. */
const steps = { taken: 0, killAt: Number.POSITIVE_INFINITY }
const step = () => {
  if (++steps.taken === steps.killAt) process.kill(process.pid, 'SIGKILL')
}

/** The same queries; each is a step before it is sent, while it is under way, and once answered. */
function stepped(sql: Sql): Sql {
  return new Proxy(sql, {
    apply(target, thisArg, args: Parameters<Sql>) {
      const query = Reflect.apply(target, thisArg, args) as ReturnType<Sql>
      const run = query.then.bind(query)
      const countedRun: typeof run = (done, failed) => {
        step()
        setImmediate(() => setImmediate(step))
        const answered = run((rows) => {
          step()
          return rows
        })
        return answered.then(done, failed)
      }
      return new Proxy(query, {
        get: (of, name) => (name === 'then' ? countedRun : Reflect.get(of, name)) as unknown,
      })
    },
  })
}

let diskFault: DiskFault | null = null

/** The same journal; a pretended fault comes before or after the rows are on the disk. */
function steppedJournal(journal: Journal): Journal {
  const append = journal.append.bind(journal)
  journal.append = async (rows) => {
    step()
    const isPretended = diskFault === 'pretended'
    const noSpace = () => Object.assign(new Error('no space left'), { code: 'ENOSPC' })
    if (isPretended && systemRandom.next() < 0.5) throw noSpace()
    const file = await append(rows)
    step()
    if (isPretended) throw noSpace()
    return file
  }
  return journal
}

interface Books {
  ledger: Ledger
  budgets: Budgets
  prices: PriceBook
  registry: Registry
  tenants: string[]
  random: () => number
  close(): Promise<void>
}

async function open(task: Extract<Order, { kind: 'open' }>): Promise<Books> {
  const connected = await openDatabase({ url: task.databaseUrl, clock, logger, connections: 3 })
  const database = { ...connected, sql: stepped(connected.sql) }
  const tenancy = await createTenancy({ database: connected, clock, random: systemRandom, logger })
  const { audit } = tenancy
  const registry = new Registry()
  const journal = steppedJournal(await Journal.open(task.journal))
  const limits = {
    databaseAwayMsMax: 60_000,
    ledgerPendingMax: 10_000,
    ledgerStallMs: 2000,
    ledgerWaitMs: 2000,
  }
  const ledger = createLedger({ database, journal, clock, logger, registry, limits })
  const prices = new PriceBook({ database: connected, audit, clock, logger, currency: CURRENCY })
  await prices.open()
  const common = { database, audit, clock, random: systemRandom, logger, currency: CURRENCY }
  const zoneOf = () => 'UTC'
  const budgets = new Budgets({ ...common, zoneOf, waitMsMax: 5000, leaseMs: LEASE_MS, ...GATEWAY })
  await ledger.replay()
  const recovered = await ledger.recover(undefined, undefined, ({ arrivedAtMs }) =>
    priceAt(prices, arrivedAtMs),
  )
  await budgets.open()
  tell({ kind: 'open', recovered })
  const random = seededRandom(task.seed)
  const close = async () => {
    await budgets.close()
    await ledger.close()
    prices.close()
    await tenancy.close()
    await connected.close()
  }
  return { ledger, budgets, prices, registry, tenants: task.tenants, random: random.next, close }
}

const priceAt = (prices: PriceBook, atMs: number) =>
  prices.find({ model: MODEL, route: undefined, serviceClass: 'standard', plan: null }, atMs)

/** All calls of a round, and then until everything is booked. */
async function play(books: Books): Promise<void> {
  const { ledger, registry } = books
  const caller = async () => {
    for (let n = 0; n < CALLS_PER_CALLER; n++) await call(books)
  }
  await Promise.all(Array.from({ length: CALLERS }, caller))
  const untilMs = clock.monotonicMs() + OPEN_MS_MAX
  while (ledger.openIntents() > 0 && clock.monotonicMs() < untilMs) await clock.sleep(10)
  const doubled = registry.getSingleMetric('gristmill_ledger_double_settled_total')
  const { values } = (await doubled?.get()) ?? { values: [] }
  const doubleSettled = values.reduce((sum, { value }) => sum + value, 0)
  tell({ kind: 'done', steps: steps.taken, doubleSettled })
}

interface Call {
  id: string
  tenantId: string
  usage: TokenCounts
  /** Time between tokens. */
  tokenMs: number
  /** Its caller leaves after so many tokens; more than there are: it stays. */
  leavesAfter: number
}

function plan({ random, tenants }: Books): Call {
  const whole = (most: number) => 1 + Math.floor(random() * most)
  const inputTokens = whole(INPUT_TOKENS_MAX)
  const isLong = random() < 0.03
  const outputTokens = isLong ? OUTPUT_TOKENS_MAX : whole(OUTPUT_TOKENS_MAX / 3)
  return {
    id: newId('req', clock, systemRandom),
    tenantId: tenants[Math.floor(random() * tenants.length)] ?? '',
    usage: { inputTokens, cachedTokens: Math.floor(inputTokens * random()), outputTokens },
    tokenMs: isLong ? 20 : whole(4),
    leavesAfter: random() < 0.15 ? whole(outputTokens) : Number.POSITIVE_INFINITY,
  }
}

async function call(books: Books): Promise<void> {
  const { ledger, budgets, prices } = books
  const one = plan(books)
  const { id, tenantId } = one
  const who = { tenantId, projectId: 'prj_1', keyId: 'key_1', endUser: null }
  const arrivedAtMs = clock.nowMs()
  const price = priceAt(prices, arrivedAtMs)
  let hold: Hold | null = null
  try {
    hold = await budgets.hold(who, wanted(price))
    await ledger.open({
      requestId: id,
      ...who,
      sessionId: null,
      model: MODEL,
      endpoint: ENDPOINT,
      serviceClass: 'standard',
      estimatedInputTokens: INPUT_TOKENS_MAX,
      outputTokensMax: OUTPUT_TOKENS_MAX,
      arrivedAtMs,
      ...(hold !== null && { reserved: hold.reserved }),
    })
  } catch (error) {
    hold?.settle(NO_COST)
    if (!(error instanceof GristmillError)) throw error
    tell({ kind: 'refused', id, code: error.code })
    await clock.sleep(50)
    return
  }
  await stream(ledger, one, price, hold)
}

async function stream(
  ledger: Ledger,
  { id, tenantId, usage, tokenMs, leavesAfter }: Call,
  price: PriceInForce | null,
  hold: Hold | null,
): Promise<void> {
  tell({ kind: 'began', id, tenantId, most: usage })
  const startedMs = clock.monotonicMs()
  const times = { engineId: 'mock', servedClass: 'standard', queueMs: 0, ttftMs: 1 } as const
  const progress = { ...usage, ...times, outputTokens: 0, engineMs: 0 }
  while (progress.outputTokens < Math.min(usage.outputTokens, leavesAfter)) {
    await clock.sleep(tokenMs)
    progress.outputTokens++
    progress.engineMs = Math.round(clock.monotonicMs() - startedMs)
    ledger.progress(id, progress)
    tell({ kind: 'tokens', id, tokens: progress.outputTokens })
  }
  const isWhole = progress.outputTokens === usage.outputTokens
  tell({ kind: 'ended', id, usage: isWhole ? usage : null })
  const settlement: Settlement = {
    requestId: id,
    group: isWhole ? 'finished' : 'cut',
    end: isWhole ? 'done' : 'client_gone',
    estimated: !isWhole,
    ...progress,
    tokenGapMs: null,
    settledAtMs: clock.nowMs(),
    isBudgeted: hold !== null,
  }
  priced(settlement, price, ENDPOINT)
  hold?.settle(costOf(settlement))
  ledger.settle(settlement)
}

function wanted(price: PriceInForce | null) {
  return {
    costMax: (outputTokens: number) => {
      const bounds = {
        inputTokens: INPUT_TOKENS_MAX,
        outputTokens,
        engineMs: 0,
        isEmbedding: false,
      }
      const money = price === null ? 0n : chargeMax(price.rates, bounds)
      return { money, tokens: BigInt(INPUT_TOKENS_MAX + outputTokens), engine_seconds: 0n }
    },
    outputTokens: OUTPUT_TOKENS_MAX,
    outputTokensMin: 1,
    mayClamp: false,
    waitMsMax: 5000,
    costsTime: false,
  }
}

let books: Books | undefined

async function follow(order: Order): Promise<void> {
  if (order.kind === 'open') books = await open(order)
  else if (order.kind === 'room') diskFault = null
  else if (order.kind === 'round' && books !== undefined) {
    steps.taken = 0
    steps.killAt = order.killAtStep ?? Number.POSITIVE_INFINITY
    offsetMs = order.clockOffsetMs
    diskFault = order.diskFault
    await play(books)
  } else if (order.kind === 'close') {
    await books?.close()
    process.disconnect()
  }
}

process.on('message', (order: Order) => void follow(order))
flushCompileCache()
tell({ kind: 'loaded' })
