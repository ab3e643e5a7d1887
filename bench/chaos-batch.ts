/**
 * Chaos `batch`: one batch beside people who stream, while gateway, engine and PostgreSQL are
 * killed with -9 again and again; then every line must have one answer, paid for once.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import OpenAI, { toFile } from 'openai'
import { createLogger, type Random, seededRandom, systemClock } from '../src/base/index.ts'
import { openDatabase } from '../src/store/index.ts'
import {
  type BatchVerdict,
  type ChargedRequest,
  type FileAnswer,
  judgeBatch,
} from './chaos-batch-verdict.ts'
import { type CallerResult, Callers } from './chaos-callers.ts'
import { prompt, sleep } from './chat-load.ts'
import { createTenant, type Server, startServer } from './server.ts'

export interface ChaosBatchOptions {
  seed?: number
  lines?: number
  /** Kills of each kind. */
  kills?: number
  /** Time between two kills at least, milliseconds. */
  gapMs?: number
  /** `toy` is quick; `real` is the default model; any other name or path is taken as it is. */
  model?: string
  log?: (line: string) => void
}

export interface ChaosBatchResult extends BatchVerdict, CallerResult {
  lines: number
  status: string
  kills: Record<Kind, number>
  /** Requests without a settlement, and settlements beyond the first. */
  openIntents: number
  doubleSettled: number
  seconds: number
  seed: number
}

type Kind = 'gateway' | 'engine' | 'postgres'

const KINDS: readonly Kind[] = ['gateway', 'engine', 'postgres']
const KILLS = 20
const GAP_MS = 5000
const CALLERS = 3
const BATCH_MS_MAX = 30 * 60_000
const SETTLE_MS_MAX = 60_000
/** What a token takes about, of a stream beside three others, milliseconds. */
const TOKEN_MS = { toy: 0.9, other: 20 }
const SLOTS = 4
/** Kills take longer than the time between them: what died has to come back. */
const KILLS_SHARE = 1.4
const TOKENS_MAX = 1500
/** Cap and threads are given, so that no start measures the engine. */
const ENVIRONMENT = { GRISTMILL_ENGINE_CAP: '4', GRISTMILL_ENGINE_THREADS: '1' }

/** What the killer, the callers and whoever waits for the batch share. */
export interface Run {
  server: Server
  /** Resolves when there is a gateway. */
  back: Promise<void>
  key: string
  model: string
  isDone: boolean
  kills: Record<Kind, number>
}

/** Runs it; six minutes or so at full size. */
export async function chaosBatch(options: ChaosBatchOptions = {}): Promise<ChaosBatchResult> {
  const { seed = 1, lines = 2000, kills = KILLS, gapMs = GAP_MS, log = () => undefined } = options
  const home = mkdtempSync(join(tmpdir(), 'gristmill-chaos-'))
  // As root PostgreSQL runs as its own user, which has to pass through.
  chmodSync(home, 0o711)
  const model = options.model === 'real' ? undefined : (options.model ?? 'toy')
  const start = () => startServer({ home, model, log, environment: ENVIRONMENT })
  const startedMs = performance.now()
  const run = await begin(await start())
  try {
    const people = await createTenant(run.server, 'people')
    const random = seededRandom(seed)
    const tokens = tokensPerLine(lines, kills, gapMs, run.server.toyModel)
    const id = await submit(run, inputOf(lines, tokens, run.model, random))
    const callers = new Callers(run, people.key, seed)
    const [status] = await Promise.all([
      waitForEnd(run, id, log),
      killAll(run, { kills, gapMs, random, start, log }),
      callers.callUntilDone(CALLERS),
    ])
    const quiet = await waitForQuiet(run)
    const verdict = judgeBatch(lines, await answersOf(run, id), await chargedFor(run, id))
    const seconds = Math.round((performance.now() - startedMs) / 1000)
    const result = { lines, status, ...verdict, ...callers.result(), ...quiet }
    return { ...result, kills: run.kills, seconds, seed }
  } finally {
    run.isDone = true
    await run.server.end()
    rmSync(home, { recursive: true, force: true })
  }
}

async function begin(server: Server): Promise<Run> {
  const { key } = await createTenant(server, 'batch')
  return {
    server,
    back: Promise.resolve(),
    key,
    model: server.model ?? '',
    isDone: false,
    kills: { gateway: 0, engine: 0, postgres: 0 },
  }
}

/** Tokens of a line, so many that the batch lasts about as long as all the kills take. */
function tokensPerLine(lines: number, kills: number, gapMs: number, isToy: boolean): number {
  const killsMs = kills * KINDS.length * gapMs * KILLS_SHARE
  const tokenMs = isToy ? TOKEN_MS.toy : TOKEN_MS.other
  return (killsMs * SLOTS) / (lines * tokenMs)
}

/** The input file; lines differ in length. */
function inputOf(lines: number, tokens: number, model: string, random: Random): string {
  const line = (index: number) => {
    const messages = [{ role: 'user', content: prompt(random) }]
    const longer = Math.round(tokens * (0.5 + random.next()))
    const maxTokens = Math.min(TOKENS_MAX, Math.max(4, longer))
    const body = { model, messages, max_tokens: maxTokens, ignore_eos: true }
    const url = '/v1/chat/completions'
    return JSON.stringify({ custom_id: `line-${index}`, method: 'POST', url, body })
  }
  return Array.from({ length: lines }, (_, index) => line(index)).join('\n')
}

const clientOf = ({ server, key }: Run) =>
  new OpenAI({ baseURL: `${server.url}/v1`, apiKey: key, maxRetries: 0, timeout: 30_000 })

async function submit(run: Run, input: string): Promise<string> {
  const client = clientOf(run)
  const content = await toFile(Buffer.from(input), 'lines.jsonl')
  const file = await client.files.create({ file: content, purpose: 'batch' })
  const batch = await client.batches.create({
    input_file_id: file.id,
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
  })
  return batch.id
}

/** Asks until the batch has ended, whatever dies meanwhile; then the others may stop. */
async function waitForEnd(run: Run, id: string, log: (line: string) => void): Promise<string> {
  const untilMs = performance.now() + BATCH_MS_MAX
  let lastStatus = 'unknown'
  for (let looks = 0; performance.now() < untilMs; looks++) {
    await run.back
    try {
      const { status, request_counts: counts } = await clientOf(run).batches.retrieve(id)
      lastStatus = status
      if (looks % 20 === 0) log(`batch ${status}: ${counts?.completed} of ${counts?.total}`)
      if (ENDED.has(status)) break
    } catch (error) {
      if (!(error instanceof OpenAI.APIError)) throw error
    }
    await sleep(500)
  }
  run.isDone = true
  return lastStatus
}

const ENDED = new Set(['completed', 'failed', 'expired', 'cancelled'])

interface KillPlan {
  kills: number
  gapMs: number
  random: Random
  start: () => Promise<Server>
  log: (line: string) => void
}

async function killAll(run: Run, { kills, gapMs, random, start, log }: KillPlan): Promise<void> {
  const plan = KINDS.flatMap((kind) => Array.from({ length: kills }, () => kind))
  for (const kind of shuffled(plan, random)) {
    const nextMs = performance.now() + gapMs * (1 + 0.2 * random.next())
    while (performance.now() < nextMs && !run.isDone) await sleep(50)
    if (run.isDone) return
    log(`kill -9 of ${kind}`)
    if (kind === 'gateway') await killGateway(run, start)
    else killChild(run.server.home, kind === 'engine' ? 'engine.json' : 'postgresql.json')
    run.kills[kind]++
  }
}

function shuffled<Item>(items: readonly Item[], random: Random): Item[] {
  return items
    .map((item) => ({ item, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

/** Its watcher starts it again. */
function killChild(home: string, record: string): void {
  try {
    const text = readFileSync(join(home, 'run', record), 'utf8')
    process.kill((JSON.parse(text) as { childPid: number }).childPid, 'SIGKILL')
  } catch (error) {
    // Just started anew after the kill before.
    const { code = '' } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT' && code !== 'ESRCH') throw error
  }
}

async function killGateway(run: Run, start: () => Promise<Server>): Promise<void> {
  const back = Promise.withResolvers<void>()
  run.back = back.promise
  await run.server.kill()
  run.server = await start()
  back.resolve()
}

async function answersOf(run: Run, id: string): Promise<FileAnswer[]> {
  const client = clientOf(run)
  const batch = await client.batches.retrieve(id)
  const answers: FileAnswer[] = []
  for (const fileId of [batch.output_file_id, batch.error_file_id]) {
    if (!fileId) continue
    const content = await client.files.content(fileId)
    const rows = (await content.text()).split('\n').filter((row) => row !== '')
    for (const row of rows) answers.push(answerOf(JSON.parse(row) as FileRow))
  }
  return answers
}

interface FileRow {
  custom_id: string
  response: {
    status_code: number
    request_id: string
    body: { usage?: { prompt_tokens: number; completion_tokens: number } }
  } | null
}

function answerOf({ custom_id: customId, response }: FileRow): FileAnswer {
  const { prompt_tokens: inputTokens = 0, completion_tokens: outputTokens = 0 } =
    response?.body.usage ?? {}
  const isGood = response?.status_code === 200
  return { customId, isGood, requestId: response?.request_id ?? null, inputTokens, outputTokens }
}

async function inDatabase<Result>(
  { server }: Run,
  work: (sql: Awaited<ReturnType<typeof openDatabase>>['sql']) => Promise<Result>,
): Promise<Result> {
  const file = readFileSync(join(server.home, 'server.json'), 'utf8')
  const { databaseUrl: url } = JSON.parse(file) as { databaseUrl: string }
  const logger = createLogger('error', 'chaos')
  const database = await openDatabase({ url, clock: systemClock, logger, connections: 1 })
  try {
    return await work(database.sql)
  } finally {
    await database.close()
  }
}

async function chargedFor(run: Run, id: string): Promise<ChargedRequest[]> {
  return inDatabase(run, async (sql) => [
    ...(await sql<ChargedRequest[]>`
      select s.request_id as "requestId", s.input_tokens as "inputTokens",
        s.output_tokens as "outputTokens"
      from ledger_settlements s join ledger_intents i using (request_id)
      where i.batch_id = ${id}`),
  ])
}

async function waitForQuiet(run: Run) {
  const untilMs = performance.now() + SETTLE_MS_MAX
  return inDatabase(run, async (sql) => {
    for (;;) {
      const [row] = await sql<{ open: number; double: number }[]>`
        select
          (select count(*)::int from ledger_intents i
            where not exists (select 1 from ledger_settlements s
              where s.request_id = i.request_id)) as open,
          (select (count(*) - count(distinct request_id))::int from ledger_settlements) as double`
      const openIntents = row?.open ?? -1
      if (openIntents === 0 || performance.now() > untilMs) {
        return { openIntents, doubleSettled: row?.double ?? -1 }
      }
      await sleep(200)
    }
  })
}
