/**
 * Chaos `away`: a gateway that is alone loses its database under load, and gets it back. What each
 * kind of tenant meets meanwhile, and whether the ledger has in the end what callers were told.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Random, seededRandom } from '../src/base/index.ts'
import { openTestDatabase, parseAddress, type TestDatabase } from '../src/store/index.ts'
import { startCountedEngine } from './counted-engine.ts'
import { type CutProxy, startCutProxy } from './cut-proxy.ts'
import { createTenant, type Server, startServer } from './server.ts'

export interface AwayOptions {
  /** How long the database is away. */
  seconds?: number
  /** How long the gateway may go on without it. */
  secondsMax?: number
  seed?: number
  log?: (line: string) => void
}

type Phase = 'before' | 'away' | 'after'

/** What callers of one tenant met in one phase. */
interface Met {
  answered: number
  /** Refusals and failures by code. */
  errors: Record<string, number>
  /** Longest time until an answer began, or a refusal. */
  firstByteMsMax: number
}

interface TenantFigures extends Record<Phase, Met> {
  kind: string
  /** What callers were told, and what the ledger has. */
  toldTokens: number
  ledgerTokens: number
}

export interface AwayResult {
  seconds: number
  secondsMax: number
  tenants: TenantFigures[]
  /** `/readyz` while the database was away, as long as the gateway went on. */
  readyWhileAway: { status: number; reasons: string[] }
  /** Answers that callers were told of and the ledger has not, and the other way round. */
  lost: number
  doubled: number
  openIntents: number
  budgetsOff: number
  seed: number
}

const MODEL = 'counted'
const ENGINE = { cap: 16, express: 2, model: MODEL, contextTokens: 2048, tokenMs: 5 }
const CALLERS = 3
const PAUSE_MS = 60
const OUTPUT_TOKENS_MAX = 30
const CALM_MS = 1000
const SETTLE_MS_MAX = 60_000
/** Of a tenant near the end of its budget: enough for some requests at most. */
const EDGE_TOKENS = 30_000

export async function chaosAway(options: AwayOptions = {}): Promise<AwayResult> {
  const { seconds = 60, secondsMax = 300, seed = 1, log = () => undefined } = options
  await using stack = new AsyncDisposableStack()
  const home = mkdtempSync(join(tmpdir(), 'gristmill-away-'))
  stack.defer(() => rmSync(home, { recursive: true, force: true }))
  const database = await openTestDatabase({ settings: { synchronous_commit: 'on' } })
  stack.defer(() => database.close())
  const line = await startLine(database)
  stack.defer(() => line.close())
  const engine = await startCountedEngine(ENGINE)
  stack.defer(() => engine.close())
  const environment = {
    DATABASE_URL: line.url,
    GRISTMILL_DATABASE_AWAY_MS_MAX: String(secondsMax * 1000),
  }
  const server = await startServer({ home, engine: 'none', environment, log })
  stack.defer(() => server.end())
  await server.admin.post('/api/engines', { url: engine.url, name: MODEL })
  const load = new Load(server, await makeTenants(server), seededRandom(seed))
  load.start()
  await sleep(CALM_MS)
  log('the database is away')
  line.cut()
  load.phase = 'away'
  await sleep(Math.min(seconds, secondsMax) * 500)
  const readyWhileAway = await ready(server)
  await sleep(seconds * 1000 - Math.min(seconds, secondsMax) * 500)
  log('the database is back')
  line.mend()
  load.phase = 'after'
  await sleep(CALM_MS)
  await load.stop()
  const books = await compare(database, load.tenants)
  return { seconds, secondsMax, readyWhileAway, ...books, seed }
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

interface Line {
  url: string
  cut(): void
  mend(): void
  close(): Promise<void>
}

/** A way to the database that can be cut off: what is open breaks, and nothing new is let in. */
async function startLine(database: TestDatabase): Promise<Line> {
  const { socketPath, host, port, user, pass, database: name } = parseAddress(database.url)
  let isCut = false
  const open = () => {
    if (isCut) return undefined
    return socketPath === undefined ? connect(port, host) : connect(socketPath)
  }
  const proxy: CutProxy = await startCutProxy(open, () => false)
  return {
    url: `postgresql://${user}:${encodeURIComponent(pass)}@127.0.0.1:${proxy.port}/${name}`,
    cut: () => {
      isCut = true
      proxy.breakAll()
    },
    mend: () => {
      isCut = false
    },
    close: () => proxy.close(),
  }
}

interface Tenant {
  kind: string
  id: string
  key: string
  told: { requests: number; tokens: number }
  met: Record<Phase, Met>
}

async function makeTenants(server: Server): Promise<Tenant[]> {
  const limits: Record<string, string | null> = {
    'no budget': null,
    'hard budget': '100000000',
    'hard budget, nearly spent': String(EDGE_TOKENS),
  }
  const tenants: Tenant[] = []
  for (const [kind, limit] of Object.entries(limits)) {
    const { id, key } = await createTenant(server, kind)
    tenants.push(newTenant(kind, id, key))
    if (limit === null) continue
    const budget = { name: kind, tenantId: id, unit: 'tokens', limit, period: 'total' }
    await server.admin.post('/api/budgets', { ...budget, isHard: true })
  }
  const { id, key } = await createTenant(server, 'new')
  return [...tenants, newTenant('key that was not used before', id, key)]
}

const nothingMet = (): Met => ({ answered: 0, errors: {}, firstByteMsMax: 0 })

const newTenant = (kind: string, id: string, key: string): Tenant => ({
  kind,
  id,
  key,
  told: { requests: 0, tokens: 0 },
  met: { before: nothingMet(), away: nothingMet(), after: nothingMet() },
})

/** A few callers of each tenant, who ask again a moment after they were answered. */
class Load {
  phase: Phase = 'before'
  readonly tenants: Tenant[]
  readonly #server: Server
  readonly #random: Random
  readonly #callers: Promise<void>[] = []
  #isOver = false

  constructor(server: Server, tenants: Tenant[], random: Random) {
    this.#server = server
    this.tenants = tenants
    this.#random = random
  }

  start(): void {
    for (const tenant of this.tenants) {
      for (let i = 0; i < CALLERS; i++) this.#callers.push(this.#call(tenant))
    }
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#callers)
  }

  async #call(tenant: Tenant): Promise<void> {
    const isNew = tenant.kind.startsWith('key')
    while (!this.#isOver) {
      await sleep(PAUSE_MS * (0.5 + this.#random.next()))
      if (!isNew || this.phase === 'away') await this.#ask(tenant)
    }
  }

  async #ask({ key, told, met }: Tenant): Promise<void> {
    // Counted where it was asked: what ends after the database is back met its absence.
    const of = met[this.phase]
    const askedMs = performance.now()
    const response = await fetch(`${this.#server.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: MODEL,
        messages: [{ role: 'user', content: 'Tell me about mills.' }],
        max_tokens: 1 + Math.floor(this.#random.next() * OUTPUT_TOKENS_MAX),
        stream: true,
        stream_options: { include_usage: true },
      }),
    })
    of.firstByteMsMax = Math.max(of.firstByteMsMax, Math.round(performance.now() - askedMs))
    const { code, tokens } = readAnswer(await response.text())
    if (code === null) {
      of.answered++
      told.requests++
      told.tokens += tokens
    } else of.errors[code] = (of.errors[code] ?? 0) + 1
  }
}

/** The code of the error, where there is one, and the tokens of the usage. */
function readAnswer(text: string): { code: string | null; tokens: number } {
  const events = text
    .split('\n')
    .map((line) => line.replace(/^data: /, ''))
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Event)
  const error = events.find((event) => event.error)?.error
  if (error) return { code: error.code, tokens: 0 }
  const usage = events.find((event) => event.usage)?.usage
  return usage ? { code: null, tokens: usage.total_tokens } : { code: 'no end', tokens: 0 }
}

interface Event {
  error?: { code: string }
  usage?: { total_tokens: number } | null
}

async function ready({ url }: Server): Promise<AwayResult['readyWhileAway']> {
  const response = await fetch(`${url}/readyz`)
  const { reasons } = (await response.json()) as { reasons: string[] }
  return { status: response.status, reasons }
}

/** The ledger against what callers were told, once everything is settled. */
async function compare(
  { sql }: TestDatabase,
  tenants: Tenant[],
): Promise<Pick<AwayResult, 'tenants' | 'lost' | 'doubled' | 'openIntents' | 'budgetsOff'>> {
  const untilMs = performance.now() + SETTLE_MS_MAX
  const openOnes = async () => {
    const [row] = await sql<{ open: number }[]>`
      select count(*)::int as open from ledger_intents i where not exists (
        select from ledger_settlements s where s.request_id = i.request_id)`
    return row?.open ?? -1
  }
  let openIntents = await openOnes()
  while (openIntents !== 0 && performance.now() < untilMs) {
    await sleep(200)
    openIntents = await openOnes()
  }
  const rows = await sql<{ id: string; requests: number; tokens: number }[]>`
    select tenant_id as id, count(*) filter (where end_reason = 'done')::int as requests,
      sum(input_tokens + output_tokens)::int8 as tokens
    from ledger_settlements group by tenant_id`
  await sql`select book_budget_spends(null)`
  const [off] = await sql<{ budgets: number }[]>`
    select count(*)::int as budgets from budgets b where
      (select coalesce(sum(spent), 0) from budget_counters c where c.budget_id = b.id)
      <> (select coalesce(sum(input_tokens + output_tokens), 0) from ledger_settlements s
        where s.tenant_id = b.tenant_id)`
  const found = { lost: 0, doubled: 0 }
  const figures = tenants.map(({ kind, id, told, met }) => {
    const booked = rows.find((row) => row.id === id) ?? { requests: 0, tokens: 0 }
    found.lost += Math.max(0, told.requests - booked.requests)
    found.doubled += Math.max(0, booked.requests - told.requests)
    return { kind, ...met, toldTokens: told.tokens, ledgerTokens: booked.tokens }
  })
  return { tenants: figures, ...found, openIntents, budgetsOff: off?.budgets ?? -1 }
}
