import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { after, before, describe, it } from 'node:test'
import { childEnvironment, createLogger, Registry, systemClock } from '../base/index.ts'
import { eventually } from '../base/test-eventually.ts'
import { openDatabase, openTestDatabase, type TestDatabase } from '../store/index.ts'
import { createLedger, openTestJournal } from './index.ts'
import { journalFolder } from './test-journal.ts'

let database: TestDatabase
const folder = journalFolder()

before(async () => {
  database = await openTestDatabase({ settings: { synchronous_commit: 'on' } })
})
after(() => database.close())

/** Opens, runs and settles requests as fast as it can and prints what it was promised. */
const WRITER = `
  const url = (path) => new URL(path, ${JSON.stringify(import.meta.url)})
  const { createLogger, Registry, systemClock } = await import(url('../base/index.ts'))
  const { openDatabase } = await import(url('../store/index.ts'))
  const { createLedger, Journal } = await import(url('./index.ts'))
  const logger = createLogger('silent', 'writer')
  const clock = systemClock
  const database = await openDatabase({ url: process.argv[1], clock, logger })
  const waits = { databaseAwayMsMax: 0, ledgerStallMs: 1000, ledgerWaitMs: 2000 }
  const limits = { ...waits, ledgerPendingMax: 50_000 }
  const journal = await Journal.open(process.argv[3])
  const registry = new Registry()
  const ledger = createLedger({ database, journal, clock, logger, registry, limits })
  await ledger.recover()
  let next = 0
  const caller = async (number) => {
    for (;;) {
      const requestId = 'req_' + process.argv[2] + '_' + String(next++).padStart(8, '0')
      await ledger.open({
        requestId, tenantId: 'ten_' + number, projectId: 'prj', keyId: 'key',
        endUser: null, sessionId: null, model: 'toy', endpoint: '/v1/chat/completions',
        serviceClass: 'standard', estimatedInputTokens: 5, outputTokensMax: 64,
        arrivedAtMs: clock.nowMs(),
      })
      process.stdout.write(requestId + '\\n')
      const counts = { inputTokens: 5, cachedTokens: 0, outputTokens: 9, queueMs: 1, engineMs: 2,
        ttftMs: 1, engineId: 'eng', servedClass: 'standard' }
      // A few stream on for ever, the others end at once.
      if (number < 4) {
        for (;;) {
          ledger.progress(requestId, counts)
          await clock.sleep(50)
          counts.outputTokens++
        }
      }
      ledger.settle({ ...counts, requestId, group: 'finished', end: 'done', estimated: false,
        tokenGapMs: 1, settledAtMs: clock.nowMs() })
    }
  }
  await Promise.all(Array.from({ length: 16 }, (_, number) => caller(number)))`

type Moment = (promised: readonly string[]) => boolean | Promise<boolean>

/** @param isTime whether it is killed now, of what it has promised so far */
async function runAndKill(round: number, isTime: Moment): Promise<string[]> {
  const args = ['--input-type=module', '--eval', WRITER, database.url, String(round), folder]
  const child: ChildProcess = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: childEnvironment(),
  })
  const promised: string[] = []
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  lines.on('line', (line) => promised.push(line))
  const ended = new Promise((resolve) =>
    child.once('close', (_, signal) => {
      resolve(signal)
    }),
  )
  await eventually('it is time to kill it', () => isTime(promised))
  child.kill('SIGKILL')
  assert.equal(await ended, 'SIGKILL', 'the writer ended by itself')
  return promised
}

describe('a gateway killed with -9', () => {
  it('has every intent that it was promised, and the next start closes each once', async () => {
    const { sql } = database
    const promised: string[] = []
    const clock = systemClock
    const logger = createLogger('silent', 'test')
    const watch = await openDatabase({ url: database.url, clock, logger, connections: 1 })
    const connected = () => watch.sql<{ pid: number }[]>`
      select pid from pg_stat_activity
      where datname = current_database() and backend_type = 'client backend'`
    const own = new Set((await connected()).map(({ pid }) => pid))
    const streamsHaveProgress = async () => {
      const found = await watch.sql`
        select from ledger_open where output_tokens > 0 and request_id like 'req_2_%'`
      return found.length >= 4
    }
    const moments: Moment[] = [
      (given) => given.length >= 50,
      (given) => given.length >= 100,
      async (given) => given.length >= 50 && (await streamsHaveProgress()),
    ]
    for (const [round, isTime] of moments.entries())
      promised.push(...(await runAndKill(round, isTime)))
    await eventually('the dead have committed what they had sent', async () => {
      return (await connected()).every(({ pid }) => own.has(pid))
    })
    await watch.close()
    const limits = {
      databaseAwayMsMax: 0,
      ledgerPendingMax: 1000,
      ledgerStallMs: 1000,
      ledgerWaitMs: 2000,
    }
    const journal = await openTestJournal(folder)
    assert.ok(journal.left.length > 0, 'the killed run left a journal')
    const registry = new Registry()
    const ledger = createLedger({ database, journal, clock, logger, registry, limits })
    const recovered = await ledger.recover()
    await ledger.close()
    const intents = await sql<{ id: string }[]>`select request_id as id from ledger_intents`
    const found = new Set(intents.map((row) => row.id))
    assert.deepEqual(
      promised.filter((id) => !found.has(id)),
      [],
    )
    const [sums] = await sql`
      select (select count(*) from ledger_intents) as intents, count(*) as settled,
        count(*) filter (where settlement_group = 'recovered') as recovered,
        count(*) filter (where settlement_group = 'recovered' and output_tokens > 0) as streamed,
        (select count(*) from ledger_open) as open
      from ledger_settlements`
    assert.equal(sums?.settled, sums?.intents)
    assert.ok(recovered >= 4 && sums?.recovered >= recovered, `${recovered} of the last run`)
    assert.ok(sums?.streamed >= 4, 'streams had durable progress')
    assert.equal(sums?.open, 0)
  })
})
