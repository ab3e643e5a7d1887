/**
 * Chaos `mixed`: calls of the real SDK, many of them left early, while the engine is killed twice
 * and the gateway once with -9; then the ledger is compared with what the clients were told.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, seededRandom, systemClock } from '../src/base/index.ts'
import type { EngineView, RequestView } from '../src/http/index.ts'
import { openDatabase } from '../src/store/index.ts'
import { makeCall, type PlannedCall, planCalls } from './chaos-clients.ts'
import { type ClientCall, type Counts, judge, type LedgerRow } from './chaos-verdict.ts'
import { prompt, sleep } from './chat-load.ts'
import { createTenant, type Server, startServer } from './server.ts'

export interface ChaosMixedOptions {
  seed?: number
  /** Calls in all. */
  calls?: number
  /** `toy` is quick; any other name or path is for the record. */
  model?: string
  log?: (line: string) => void
}

export interface ChaosMixedResult {
  requests: number
  /** Rows of the ledger by group. */
  finished: number
  cut: number
  recovered: number
  /** Calls that left by plan before the answer was complete. */
  abortedByPlan: number
  /** Prompt and output tokens over the finished calls. */
  clientTokens: number
  ledgerTokens: number
  engineChecked: number
  boundViolations: number
  violations: string[]
  openIntents: number
  doubleSettled: number
  leakedSlots: number
  engineKills: number
  gatewayKills: number
  seed: number
}

/** Callers at once; more than the engine has slots, so that there is a queue as well. */
const CALLERS = 32
/** Parts of all calls after which something is killed. */
const ENGINE_KILLS = [0.2, 0.75]
const GATEWAY_KILL = 0.5
const SETTLE_MS_MAX = 60_000
const VIOLATIONS_SHOWN = 20

/** State that the callers and the killer share. */
interface Run {
  server: Server
  /** Resolves when there is a gateway again. */
  back: Promise<void>
  engineUrl: string
  keys: string[]
  model: string
  done: ClientCall[]
  engineKills: number
  gatewayKills: number
}

/** Runs it; about a minute with the toy model. */
export async function chaosMixed(options: ChaosMixedOptions = {}): Promise<ChaosMixedResult> {
  const { seed = 1, calls = 2000, model = 'toy', log = () => undefined } = options
  const home = mkdtempSync(join(tmpdir(), 'gristmill-chaos-'))
  // As root PostgreSQL runs as its own user, which has to pass through.
  chmodSync(home, 0o711)
  const start = () => startServer({ home, model, log })
  const run = await begin(await start())
  try {
    const plan = planCalls(calls, seededRandom(seed))
    await Promise.all([callAll(run, plan, seed), killAll(run, calls, start, log)])
    const quiet = await waitForQuiet(run.server)
    const verdict = judge(run.done, await ledgerRows(run))
    const { violations, ...counts } = verdict
    return {
      requests: run.done.length,
      ...counts,
      abortedByPlan: run.done.filter(({ end }) => end === 'aborted').length,
      boundViolations: violations.length,
      violations: violations.slice(0, VIOLATIONS_SHOWN),
      ...quiet,
      engineKills: run.engineKills,
      gatewayKills: run.gatewayKills,
      seed,
    }
  } finally {
    await run.server.end()
    rmSync(home, { recursive: true, force: true })
  }
}

async function begin(server: Server): Promise<Run> {
  const tenants = [await createTenant(server, 'A'), await createTenant(server, 'B', 2)]
  return {
    server,
    back: Promise.resolve(),
    engineUrl: await engineUrlOf(server),
    keys: tenants.map(({ key }) => key),
    model: server.model ?? '',
    done: [],
    engineKills: 0,
    gatewayKills: 0,
  }
}

async function engineUrlOf({ admin }: Server): Promise<string> {
  const [engine] = await admin.all<EngineView>('/api/engines')
  return engine?.url ?? ''
}

async function callAll(run: Run, plan: PlannedCall[], seed: number): Promise<void> {
  const random = seededRandom(seed + 1)
  const contents = plan.map(() => prompt(random))
  let next = 0
  const caller = async () => {
    for (let index = next++; index < plan.length; index = next++) {
      const planned = plan[index] as PlannedCall
      await run.back
      const target = {
        url: run.server.url,
        key: run.keys[planned.tenant] ?? '',
        model: run.model,
      }
      const call = await makeCall(planned, target, contents[index] ?? '')
      if (call.end !== 'failed') call.engine = await engineCount(run, call.requestId)
      run.done.push(call)
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, caller))
}

/** What the engine says about a request that has ended there; null where it cannot be asked. */
async function engineCount(run: Run, requestId: string | null): Promise<Counts | null> {
  if (requestId === null) return null
  try {
    const response = await fetch(`${run.engineUrl}/v1/requests/${requestId}`)
    if (!response.ok) return null
    const view = (await response.json()) as EngineRequest
    if (view.state !== 'ended') return null
    return {
      inputTokens: view.prompt_tokens,
      cachedTokens: view.cached_tokens,
      outputTokens: view.completion_tokens,
    }
  } catch (error) {
    // It was just killed; there is nobody to ask.
    if (error instanceof TypeError) return null
    throw error
  }
}

interface EngineRequest {
  state: 'running' | 'ended'
  prompt_tokens: number
  cached_tokens: number
  completion_tokens: number
}

async function killAll(
  run: Run,
  calls: number,
  start: () => Promise<Server>,
  log: (line: string) => void,
): Promise<void> {
  const events = [
    ...ENGINE_KILLS.map((share) => ({ at: share * calls, what: 'engine' })),
    { at: GATEWAY_KILL * calls, what: 'gateway' },
  ].sort((a, b) => a.at - b.at)
  for (const { at, what } of events) {
    while (run.done.length < at) await sleep(5)
    log(`kill -9 of the ${what} after ${run.done.length} calls`)
    if (what === 'engine') await killEngine(run)
    else await killGateway(run, start)
  }
}

async function killEngine(run: Run): Promise<void> {
  const record = readFileSync(join(run.server.home, 'run', 'engine.json'), 'utf8')
  const { childPid } = JSON.parse(record) as { childPid: number }
  process.kill(childPid, 'SIGKILL')
  run.engineKills++
}

async function killGateway(run: Run, start: () => Promise<Server>): Promise<void> {
  const back = Promise.withResolvers<void>()
  run.back = back.promise
  await run.server.kill()
  run.gatewayKills++
  run.server = await start()
  run.engineUrl = await engineUrlOf(run.server)
  back.resolve()
}

/** Waits until every intent is settled, and counts what stays wrong. */
export async function waitForQuiet(
  server: Server,
): Promise<Pick<ChaosMixedResult, 'openIntents' | 'doubleSettled' | 'leakedSlots'>> {
  const file = readFileSync(join(server.home, 'server.json'), 'utf8')
  const { databaseUrl: url } = JSON.parse(file) as { databaseUrl: string }
  const logger = createLogger('warn', 'chaos')
  const database = await openDatabase({ url, clock: systemClock, logger, connections: 1 })
  const untilMs = performance.now() + SETTLE_MS_MAX
  try {
    for (;;) {
      const [row] = await database.sql<{ open: number; double: number }[]>`
        select
          (select count(*)::int from ledger_intents i
            where not exists (select 1 from ledger_settlements s
              where s.request_id = i.request_id)) as open,
          (select (count(*) - count(distinct request_id))::int from ledger_settlements) as double`
      const leakedSlots = await slotsInUse(server)
      const openIntents = row?.open ?? -1
      if ((openIntents === 0 && leakedSlots === 0) || performance.now() > untilMs) {
        return { openIntents, doubleSettled: row?.double ?? -1, leakedSlots }
      }
      await sleep(200)
    }
  } finally {
    await database.close()
  }
}

async function slotsInUse({ admin }: Server): Promise<number> {
  const engines = await admin.all<EngineView>('/api/engines')
  return engines.reduce((sum, { inFlight }) => sum + inFlight, 0)
}

async function ledgerRows({ server }: Run): Promise<LedgerRow[]> {
  const rows: LedgerRow[] = []
  for await (const row of server.admin.rows<RequestView>('/api/requests')) {
    if (row.group === null) continue
    const { id, group, estimated, inputTokens, cachedTokens, outputTokens } = row
    rows.push({ requestId: id, group, estimated, inputTokens, cachedTokens, outputTokens })
  }
  return rows
}
