import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { createLogger, type GristmillError, Registry, systemClock } from '../base/index.ts'
import { eventually } from '../base/test-eventually.ts'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import {
  createLedger,
  type Intent,
  type Ledger,
  openTestJournal,
  type Progress,
  type Settlement,
} from './index.ts'

let database: TestDatabase
let ledger: Ledger
let registry: Registry
let nextId = 0

before(async () => {
  database = await openTestDatabase()
})
after(() => database.close())
beforeEach(async () => {
  await database.reset()
  ledger = await startLedger()
})
afterEach(() => ledger.close())

const limits = {
  databaseAwayMsMax: 0,
  ledgerPendingMax: 1000,
  ledgerStallMs: 1000,
  ledgerWaitMs: 1000,
}

async function startLedger(gateway?: number): Promise<Ledger> {
  registry = new Registry()
  const logger = createLogger('silent', 'test')
  const journal = await openTestJournal()
  return createLedger({ database, journal, clock: systemClock, logger, registry, limits, gateway })
}

function intent(changes: Partial<Intent> = {}): Intent {
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
    ...changes,
  }
}

function settlement(requestId: string, changes: Partial<Settlement> = {}): Settlement {
  return {
    requestId,
    group: 'finished',
    end: 'done',
    estimated: false,
    servedClass: 'standard',
    engineId: 'eng_a',
    inputTokens: 11,
    cachedTokens: 4,
    outputTokens: 7,
    queueMs: 3,
    engineMs: 90,
    ttftMs: 12.5,
    tokenGapMs: 8.25,
    settledAtMs: systemClock.nowMs(),
    ...changes,
  }
}

function progress(outputTokens: number): Progress {
  const counts = { inputTokens: 11, cachedTokens: 4, outputTokens }
  return {
    ...counts,
    engineId: 'eng_a',
    servedClass: 'flex',
    queueMs: 3,
    engineMs: 50,
    ttftMs: 12,
  }
}

async function metric(name: string): Promise<number> {
  const { values } = (await registry.getSingleMetric(name)?.get()) ?? { values: [] }
  return values.reduce((sum, { value }) => sum + value, 0)
}

const settlementsOf = (requestId: string) => database.sql`
  select * from ledger_settlements where request_id = ${requestId}`

describe('a request on the ledger', () => {
  it('is in the database soon after it was opened', async () => {
    const given = intent({ endUser: 'ann', arrivedAtMs: 1_700_000_000_123 })
    await ledger.open(given)
    await ledger.flush()
    const [row] = await database.sql`
      select *, extract(epoch from arrived_at)::float8 * 1000 as arrived_ms from ledger_intents`
    assert.equal(row?.request_id, given.requestId)
    assert.equal(row?.end_user, 'ann')
    assert.equal(row?.output_tokens_max, 64)
    assert.equal(Math.round(row?.arrived_ms), 1_700_000_000_123)
    assert.equal(ledger.openIntents(), 1)
  })

  it('is in the database as soon as somebody asks for it', async () => {
    const given = intent()
    await ledger.open(given)
    assert.equal(await ledger.book(given.requestId), true)
    assert.equal((await database.sql`select from ledger_intents`).length, 1)
    assert.equal(await ledger.book('req_of_nobody'), false)
  })

  it('is closed with what it used, for whom and how it ended', async () => {
    const given = intent({ serviceClass: 'priority' })
    await ledger.open(given)
    ledger.settle(settlement(given.requestId, { group: 'cut', end: 'client_gone' }))
    await ledger.flush()
    const [row] = await settlementsOf(given.requestId)
    assert.equal(row?.tenant_id, 'ten_a')
    assert.equal(row?.service_class, 'priority')
    assert.equal(row?.served_class, 'standard')
    assert.equal(row?.settlement_group, 'cut')
    assert.equal(row?.end_reason, 'client_gone')
    assert.deepEqual([row?.input_tokens, row?.cached_tokens, row?.output_tokens], [11, 4, 7])
    assert.deepEqual([row?.ttft_ms, row?.token_gap_ms], [12.5, 8.25])
    assert.equal(ledger.openIntents(), 0)
    assert.equal(ledger.pendingSettlements(), 0)
  })

  it('is closed once although it is settled three times', async () => {
    const given = intent()
    await ledger.open(given)
    ledger.settle(settlement(given.requestId, { outputTokens: 1 }))
    ledger.settle(settlement(given.requestId, { outputTokens: 2 }))
    await ledger.flush()
    ledger.settle(settlement(given.requestId, { outputTokens: 3 }))
    await ledger.flush()
    const rows = await settlementsOf(given.requestId)
    assert.deepEqual(
      rows.map((row) => row.output_tokens),
      [1],
    )
    assert.equal(await metric('gristmill_ledger_double_settled_total'), 2)
  })

  it('may be settled before its intent is durable, and is closed all the same', async () => {
    const given = intent()
    const opened = ledger.open(given)
    ledger.settle(settlement(given.requestId))
    await opened
    await ledger.flush()
    assert.equal((await settlementsOf(given.requestId)).length, 1)
  })

  it('cannot be opened twice at the same time', async () => {
    const given = intent()
    const first = ledger.open(given)
    await assert.rejects(ledger.open(given), /open already/)
    await first
  })

  it('without an intent is not booked', async () => {
    ledger.settle(settlement('req_never_opened'))
    await ledger.flush()
    assert.equal((await settlementsOf('req_never_opened')).length, 0)
    assert.equal(await metric('gristmill_ledger_bad_rows_total'), 1)
  })

  it('goes out with others that come while a write is under way', async () => {
    await Promise.all(Array.from({ length: 300 }, () => ledger.open(intent())))
    const { values } = await (
      registry.getSingleMetric('gristmill_ledger_group_rows') as NonNullable<
        ReturnType<Registry['getSingleMetric']>
      >
    ).get()
    const groups = values.find(
      (value) => 'metricName' in value && /_count$/.test(String(value.metricName)),
    )
    assert.ok((groups?.value ?? Infinity) < 30, `300 intents took ${groups?.value} writes`)
    assert.equal(ledger.openIntents(), 300)
  })
})

describe('what comes from outside', () => {
  it('is kept however odd its text', async () => {
    const odd = ['a\0b', '\ud800', '"quoted", \\u0000 and \\', 'é'.repeat(1000), '{}', "'; drop--"]
    const intents = odd.map((endUser) => intent({ endUser }))
    await Promise.all(intents.map((one) => ledger.open(one)))
    await ledger.flush()
    const rows = await database.sql<{ end_user: string }[]>`
      select end_user from ledger_intents order by request_id`
    assert.deepEqual(
      rows.map((row) => row.end_user),
      ['a\ufffdb', '\ufffd', '"quoted", \\u0000 and \\', 'é'.repeat(256), '{}', "'; drop--"],
    )
  })

  it('never becomes a negative or broken number', async () => {
    const given = intent()
    await ledger.open(given)
    const broken = { inputTokens: -5, cachedTokens: Number.NaN, outputTokens: 1e15 }
    ledger.settle(settlement(given.requestId, { ...broken, ttftMs: -1, engineMs: 1.6 }))
    await ledger.flush()
    const [row] = await settlementsOf(given.requestId)
    assert.deepEqual(
      [row?.input_tokens, row?.cached_tokens, row?.output_tokens, row?.ttft_ms, row?.engine_ms],
      [0, 0, 2_147_483_647, 0, 2],
    )
  })

  it('does not hold up the others when one row cannot be stored', async () => {
    const bad = intent({ tenantId: null as unknown as string })
    const good = Array.from({ length: 9 }, () => intent())
    await Promise.all([...good, bad].map((one) => ledger.open(one)))
    await ledger.flush()
    assert.equal((await database.sql`select from ledger_intents`).length, 9)
    assert.equal(await metric('gristmill_ledger_bad_rows_total'), 1)
    ledger.settle(settlement(bad.requestId))
    await ledger.flush()
    assert.equal((await settlementsOf(bad.requestId)).length, 0)
    assert.equal(ledger.openIntents(), 9)
    assert.equal(ledger.healthy(), true)
  })
})

describe('progress', () => {
  it('is durable while the request runs and gone once it is settled', async () => {
    const given = intent()
    await ledger.open(given)
    ledger.progress(given.requestId, progress(1))
    ledger.progress(given.requestId, progress(42))
    await ledger.flush()
    const [row] = await database.sql`select * from ledger_open`
    assert.equal(row?.output_tokens, 42)
    assert.equal(row?.engine_id, 'eng_a')
    ledger.settle(settlement(given.requestId))
    await ledger.flush()
    assert.equal((await database.sql`select from ledger_open`).length, 0)
  })

  it('is written by itself', async () => {
    const given = intent()
    await ledger.open(given)
    ledger.progress(given.requestId, progress(5))
    await eventually('it is written', async () => {
      const [row] = await database.sql`select output_tokens from ledger_open`
      return row?.output_tokens === 5
    })
  })

  it('of a request that is not open is passed over', async () => {
    ledger.progress('req_unknown', progress(5))
    await ledger.flush()
    assert.equal((await database.sql`select from ledger_open`).length, 0)
  })
})

describe('recovery', () => {
  it('settles what an earlier run left open from its last progress', async () => {
    const [idle, running, settled] = [intent(), intent({ serviceClass: 'flex' }), intent()]
    await Promise.all([idle, running, settled].map((one) => ledger.open(one)))
    ledger.progress(running.requestId, progress(42))
    ledger.settle(settlement(settled.requestId))
    await ledger.flush()
    const next = await startLedger()
    assert.equal(await next.recover(), 2)
    assert.equal(await next.recover(), 0)
    await next.close()
    const rows = await database.sql`select * from ledger_settlements order by request_id`
    assert.deepEqual(
      rows.map((row) => [row.settlement_group, row.end_reason, row.output_tokens, row.engine_id]),
      [
        ['recovered', 'gateway_crash', 0, null],
        ['recovered', 'gateway_crash', 42, 'eng_a'],
        ['finished', 'done', 7, 'eng_a'],
      ],
    )
    assert.equal(rows[1]?.served_class, 'flex')
    assert.equal(rows[1]?.estimated, true)
  })

  it('knows which gateways have left something open', async () => {
    const other = await startLedger(7)
    const [theirs, ours] = [intent(), intent()]
    await Promise.all([other.open(theirs), ledger.open(ours)])
    other.progress(theirs.requestId, progress(42))
    ledger.progress(ours.requestId, progress(42))
    await Promise.all([other.flush(), ledger.flush()])
    await other.close()
    assert.deepEqual(await ledger.openGateways(), [7])
    assert.equal(await ledger.recover(undefined, undefined, undefined, [7]), 1)
    assert.deepEqual(await ledger.openGateways(), [])
  })

  it('takes the exact count where the engine still has it, and never less than the progress', async () => {
    const [known, forgotten, failing] = [intent(), intent(), intent()]
    await Promise.all([known, forgotten, failing].map((one) => ledger.open(one)))
    for (const { requestId } of [known, forgotten, failing])
      ledger.progress(requestId, progress(42))
    await ledger.flush()
    const next = await startLedger()
    await next.recover(async (requestId, engineId) => {
      assert.equal(engineId, 'eng_a')
      if (requestId === failing.requestId) throw new Error('the engine is gone')
      return {
        inputTokens: 11,
        cachedTokens: 0,
        outputTokens: requestId === known.requestId ? 50 : 0,
      }
    })
    await next.close()
    const rows = await database.sql`select * from ledger_settlements order by request_id`
    assert.deepEqual(
      rows.map((row) => [row.output_tokens, row.estimated]),
      [
        [50, false],
        [42, true],
        [42, true],
      ],
    )
  })

  it('leaves alone what this run has open', async () => {
    await ledger.open(intent())
    assert.equal(await ledger.recover(), 0)
    assert.equal(ledger.openIntents(), 1)
  })
})

describe('the books', () => {
  it('refuse changes and removals', async () => {
    const given = intent()
    await ledger.open(given)
    ledger.settle(settlement(given.requestId))
    await ledger.flush()
    const { sql } = database
    for (const attempt of [
      sql`update ledger_intents set model = 'other'`,
      sql`delete from ledger_intents`,
      sql`truncate ledger_intents`,
      sql`update ledger_settlements set output_tokens = 0`,
      sql`delete from ledger_settlements`,
      sql`truncate ledger_settlements`,
    ])
      await assert.rejects(attempt, /is append-only/)
    assert.equal((await settlementsOf(given.requestId)).length, 1)
  })
})

describe('a ledger that closes', () => {
  it('writes what it has and takes nothing more', async () => {
    const given = intent()
    await ledger.open(given)
    ledger.settle(settlement(given.requestId))
    const changes: boolean[] = []
    ledger.onHealthChange((healthy) => changes.push(healthy))
    assert.equal(await ledger.close(), 0)
    assert.equal((await settlementsOf(given.requestId)).length, 1)
    assert.deepEqual(changes, [false])
    await assert.rejects(ledger.open(intent()), (error: GristmillError) => {
      return error.code === 'shutting_down'
    })
  })
})
