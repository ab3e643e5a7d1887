import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { createLogger, GristmillError, Registry, systemClock } from '../base/index.ts'
import { eventually, until } from '../base/test-eventually.ts'
import { signalProcess } from '../host/index.ts'
import { openDatabase, openTestDatabase, type TestDatabase } from '../store/index.ts'
import {
  createLedger,
  type Intent,
  type Ledger,
  openTestJournal,
  type Settlement,
} from './index.ts'
import { journalFolder } from './test-journal.ts'

let database: TestDatabase
let ledger: Ledger
let folder: string
let nextId = 0

const limits = {
  databaseAwayMsMax: 0,
  ledgerPendingMax: 1000,
  ledgerStallMs: 1000,
  ledgerWaitMs: 1000,
}
const logger = createLogger('silent', 'test')

before(async () => {
  // A commit must survive the server's death; the machine's is not tested here.
  database = await openTestDatabase({ settings: { synchronous_commit: 'on' } })
})
after(() => database.close())
beforeEach(async () => {
  await database.reset()
  folder = journalFolder()
  ledger = await startLedger()
})
afterEach(() => ledger.close())

async function startLedger(): Promise<Ledger> {
  const journal = await openTestJournal(folder)
  const registry = new Registry()
  return createLedger({ database, journal, clock: systemClock, logger, registry, limits })
}

function intent(): Intent {
  return {
    requestId: `req_${String(nextId++).padStart(10, '0')}`,
    tenantId: 'ten_a',
    projectId: 'prj_a',
    keyId: 'key_a',
    endUser: null,
    sessionId: null,
    model: 'toy',
    endpoint: '/v1/chat/completions',
    serviceClass: 'standard',
    estimatedInputTokens: 10,
    outputTokensMax: 64,
    arrivedAtMs: systemClock.nowMs(),
  }
}

function settlement(requestId: string): Settlement {
  return {
    requestId,
    group: 'finished',
    end: 'done',
    estimated: false,
    servedClass: 'standard',
    engineId: 'eng_a',
    inputTokens: 10,
    cachedTokens: 0,
    outputTokens: 5,
    queueMs: 0,
    engineMs: 9,
    ttftMs: 1,
    tokenGapMs: 2,
    settledAtMs: systemClock.nowMs(),
  }
}

const isUnavailable = (error: unknown) => {
  assert.ok(error instanceof GristmillError)
  assert.equal(error.code, 'ledger_unavailable')
  assert.ok((error.retryAfterMs ?? 0) > 0)
  return true
}

/** An intent is settled or open, and in the end none is open. */
async function counts() {
  const [row] = await database.sql<{ intents: number; settled: number; open: number }[]>`
    select (select count(*) from ledger_intents) as intents,
      (select count(*) from ledger_settlements) as settled,
      (select count(*) from ledger_intents as i where not exists (
        select from ledger_settlements as s where s.request_id = i.request_id)) as open`
  return row
}

/** Keeps everybody from a table until the returned function is called. */
async function lock(table: string): Promise<() => Promise<void>> {
  const locked = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  const blocker = database.transaction(async (sql) => {
    await sql`lock table ${sql(table)} in access exclusive mode`
    locked.resolve()
    await release.promise
  })
  await locked.promise
  return async () => {
    release.resolve()
    await blocker
  }
}

async function killDatabase(): Promise<void> {
  const pid = database.server?.pid() as number
  signalProcess(pid, 'SIGKILL')
}

describe('the database goes away and comes back', () => {
  const skip = () => (database.server ? false : 'the given server cannot be killed')

  it('refuses requests meanwhile, says so, and settles what was running once', async (t) => {
    if (skip()) return t.skip(skip() as string)
    const running = Array.from({ length: 50 }, () => intent())
    await Promise.all(running.map((one) => ledger.open(one)))
    const changes: boolean[] = []
    ledger.onHealthChange((healthy) => changes.push(healthy))
    await killDatabase()
    for (const { requestId } of running) ledger.settle(settlement(requestId))
    await eventually('the ledger notices', () => !ledger.healthy())
    await assert.rejects(ledger.open(intent()), isUnavailable)
    assert.equal(ledger.pendingSettlements(), 50)
    await eventually('the ledger is back', () => ledger.healthy())
    await ledger.flush(10_000)
    assert.deepEqual(changes, [false, true])
    assert.deepEqual(await counts(), { intents: 50, settled: 50, open: 0 })
    await ledger.open(intent())
  })

  it('keeps every acknowledged intent and closes those in doubt, under load', async (t) => {
    if (skip()) return t.skip(skip() as string)
    const acknowledged: string[] = []
    let refused = 0
    let isOver = false
    const caller = async () => {
      while (!isOver) {
        const one = intent()
        try {
          await ledger.open(one)
          acknowledged.push(one.requestId)
          ledger.settle(settlement(one.requestId))
        } catch (error) {
          isUnavailable(error)
          refused++
          await systemClock.sleep(20)
        }
      }
    }
    const callers = Promise.all(Array.from({ length: 16 }, caller))
    await until(() => acknowledged.length > 100)
    await killDatabase()
    await until(() => refused > 0)
    await eventually('the ledger is back', () => ledger.healthy())
    const before = acknowledged.length
    await until(() => acknowledged.length > before + 100)
    isOver = true
    await callers
    await ledger.flush(10_000)
    const rows = await database.sql<{ id: string; end: string }[]>`
      select request_id as id, end_reason as "end" from ledger_settlements`
    const done = rows.filter((row) => row.end === 'done').map((row) => row.id)
    assert.deepEqual(done.sort(), acknowledged.sort())
    const { intents, settled, open } = (await counts()) ?? {}
    assert.equal(intents, settled)
    assert.equal(open, 0)
    assert.equal(ledger.openIntents(), 0)
  })
})

describe('the database does not answer', () => {
  it('refuses once that takes longer than the limit, and books what it took before', async () => {
    const unlock = await lock('ledger_intents')
    const given = [intent(), intent(), intent()]
    await Promise.all(given.map((one) => ledger.open(one)))
    for (const { requestId } of given) ledger.settle(settlement(requestId))
    await eventually('the ledger notices', () => !ledger.healthy())
    await assert.rejects(ledger.open(intent()), isUnavailable)
    await unlock()
    await eventually('the ledger is back', () => ledger.healthy())
    await ledger.flush(10_000)
    assert.deepEqual(await counts(), { intents: 3, settled: 3, open: 0 })
  })

  it('loses no intent where the gateway dies meanwhile', async () => {
    const unlock = await lock('ledger_intents')
    await Promise.all(Array.from({ length: 20 }, () => ledger.open(intent())))
    // The next run reads what is on the disk, as after kill -9.
    const next = await startLedger()
    await unlock()
    assert.equal(await next.recover(), 20)
    await next.close()
    assert.deepEqual(await counts(), { intents: 20, settled: 20, open: 0 })
  })

  it('has what ended meanwhile in its journal, so that a crash takes no more of it', async () => {
    const { url } = database
    const own = await openDatabase({ url, clock: systemClock, logger, connections: 1 })
    const options = { ...limits, ledgerStallMs: 100, databaseAwayMsMax: 60_000 }
    const doomed = createLedger({
      database: own,
      journal: await openTestJournal(folder),
      clock: systemClock,
      logger,
      registry: new Registry(),
      limits: options,
    })
    const unlock = await lock('ledger_settlements')
    const [ended, running] = [20, 5].map((length) => Array.from({ length }, () => intent()))
    await Promise.all([...(ended ?? []), ...(running ?? [])].map((one) => doomed.open(one)))
    for (const { requestId } of ended ?? []) doomed.settle(settlement(requestId))
    const { engineId, ...counts } = { ...settlement(''), engineId: 'eng_a', outputTokens: 7 }
    await eventually('the ledger notices', () => doomed.awayMsLeft() < 60_000)
    assert.ok(doomed.healthy())
    await doomed.open(intent())
    for (const { requestId } of running ?? []) doomed.progress(requestId, { ...counts, engineId })
    const kept = async () => {
      const rows = (await openTestJournal(folder)).left
      const settled = rows.filter((row) => row.includes('settlement_group')).length
      return settled === 20 && new Set(rows.filter((row) => row.includes(':7,'))).size === 5
    }
    for (let i = 0; i < 1500 && !(await kept()); i++) await systemClock.sleep(20)
    await own.close()
    await unlock()
    const next = await startLedger()
    assert.equal(await next.recover(), 6)
    await Promise.all([next.close(), doomed.close(0)])
    const rows = await database.sql<{ group: string; tokens: number; requests: number }[]>`
      select settlement_group as "group", output_tokens as tokens, count(*)::int as requests
      from ledger_settlements group by 1, 2 order by 1, 2`
    assert.deepEqual(
      [...rows],
      [
        { group: 'finished', tokens: 5, requests: 20 },
        { group: 'recovered', tokens: 0, requests: 1 },
        { group: 'recovered', tokens: 7, requests: 5 },
      ],
    )
  })

  it('closes within its limit and leaves the rest to the next start', async () => {
    const given = intent()
    await ledger.open(given)
    const unlock = await lock('ledger_settlements')
    ledger.settle(settlement(given.requestId))
    assert.equal(await ledger.close(300), 1)
    await unlock()
    const next = await startLedger()
    await next.recover()
    await next.close()
    assert.deepEqual(await counts(), { intents: 1, settled: 1, open: 0 })
  })
})
