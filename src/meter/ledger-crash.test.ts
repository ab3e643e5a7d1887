import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { after, before, describe, it } from 'node:test'
import { childEnvironment, createLogger, Registry, systemClock } from '../base/index.ts'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
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

async function runAndKill(round: number, afterMs: number): Promise<string[]> {
  const args = ['--input-type=module', '--eval', WRITER, database.url, String(round), folder]
  const child: ChildProcess = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: childEnvironment(),
  })
  const promised: string[] = []
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  const first = Promise.withResolvers<void>()
  lines.on('line', (line) => {
    promised.push(line)
    first.resolve()
  })
  const ended = new Promise((resolve) =>
    child.once('close', (_, signal) => {
      resolve(signal)
    }),
  )
  child.once('exit', () => first.reject(new Error('the writer ended by itself')))
  await first.promise
  await systemClock.sleep(afterMs)
  child.kill('SIGKILL')
  assert.equal(await ended, 'SIGKILL', 'the writer ended by itself')
  return promised
}

describe('a gateway killed with -9', () => {
  it('has every intent that it was promised, and the next start closes each once', async () => {
    const { sql } = database
    const promised: string[] = []
    for (const [round, afterMs] of [300, 700, 1100].entries())
      promised.push(...(await runAndKill(round, afterMs)))
    assert.ok(promised.length > 200, `${promised.length} promised`)
    // Connections of the dead may still commit what they were sent.
    await systemClock.sleep(200)
    const limits = {
      databaseAwayMsMax: 0,
      ledgerPendingMax: 1000,
      ledgerStallMs: 1000,
      ledgerWaitMs: 2000,
    }
    const logger = createLogger('silent', 'test')
    const clock = systemClock
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
