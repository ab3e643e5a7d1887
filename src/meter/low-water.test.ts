import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { createLogger, idsFrom, newId, Registry, systemClock, systemRandom } from '../base/index.ts'
import {
  migrate,
  openDatabase,
  openTestDatabase,
  type Queries,
  type TestDatabase,
} from '../store/index.ts'
import { createLedger, type Intent, type Progress } from './index.ts'
import { rowOfIntent, writeIntents, writeProgress, writeSettlements } from './ledger-rows.ts'
import { moveLowWater } from './low-water.ts'
import { refusedSettlement } from './open-entry.ts'
import { recoverOpen } from './recovery.ts'
import { openTestJournal } from './test-journal.ts'

let database: TestDatabase
const clock = systemClock
const logger = createLogger('silent', 'test')

before(async () => {
  database = await openTestDatabase()
})
after(() => database.close())
beforeEach(async () => {
  await database.reset()
  await database.sql`insert into ledger_mark (low_water, next_low_water) values ('', '')`
})

const idAt = (agoMs: number) =>
  newId('req', { ...clock, nowMs: () => clock.nowMs() - agoMs }, systemRandom)

const intent = (requestId: string): Intent => ({
  requestId,
  tenantId: 'ten_a',
  projectId: 'prj_a',
  keyId: 'key_a',
  endUser: null,
  sessionId: null,
  model: 'toy',
  endpoint: '/v1/chat/completions',
  serviceClass: 'standard',
  estimatedInputTokens: 1,
  outputTokensMax: 1,
  arrivedAtMs: clock.nowMs(),
})

const progress: Progress = {
  engineId: 'eng_a',
  servedClass: 'standard',
  queueMs: 1,
  engineMs: 2,
  ttftMs: 3,
  inputTokens: 1,
  cachedTokens: 0,
  outputTokens: 4,
}

const settle = (requestId: string) =>
  writeSettlements(database.sql, [refusedSettlement(intent(requestId), clock.nowMs())])

const writeGiven = (sql: Queries, given: readonly Intent[]) =>
  writeIntents(sql, given.map(rowOfIntent))

const recover = () => recoverOpen({ sql: database.sql, clock, logger, isOurs: () => false })

/** As if the last move were long ago. */
async function move(): Promise<void> {
  await database.sql`update ledger_mark set next_since = now() - interval '1 hour'`
  while (await moveLowWater(database.sql, clock, 2));
}

const open = async () =>
  (await database.sql<{ id: string }[]>`select request_id as id from ledger_open order by 1`).map(
    ({ id }) => id,
  )

/** Open requests that nobody would find: before the mark and without a row. */
const lost = async () => [
  ...(await database.sql`
    select request_id from ledger_intents as i
    where request_id < (select low_water from ledger_mark)
      and not exists (select from ledger_settlements as s where s.request_id = i.request_id)
      and not exists (select from ledger_open as o where o.request_id = i.request_id)`),
]

describe('the low-water mark', () => {
  it('passes a request that is open only once this has its row', async () => {
    const [old, ended, young] = [idAt(90_000), idAt(80_000), idAt(0)]
    await writeGiven(database.sql, [old, ended, young].map(intent))
    await settle(ended)
    assert.deepEqual(await open(), [], 'an intent alone makes no row')
    await move()
    assert.deepEqual(await open(), [], 'it is only told yet')
    await move()
    assert.deepEqual(await open(), [old])
    const [mark] = await database.sql`select low_water from ledger_mark`
    assert.ok(mark?.low_water > old && mark?.low_water < young)
    assert.equal(await recover(), 2)
    assert.deepEqual(await open(), [])
  })

  it('goes on in pieces, and is told anew only when all were looked at', async () => {
    const ids = [95_000, 94_000, 93_000, 92_000, 91_000].map(idAt)
    await writeGiven(database.sql, ids.map(intent))
    await move()
    await database.sql`update ledger_mark set next_since = now() - interval '1 hour'`
    const onItsWay: boolean[] = []
    for (let piece = 0; piece < 5; piece++) {
      onItsWay.push(await moveLowWater(database.sql, clock, 2))
      assert.deepEqual(await lost(), [])
      const [mark] = await database.sql`select low_water from ledger_mark`
      assert.equal(ids.filter((id) => id < mark?.low_water).length, [1, 2, 3, 4, 5][piece])
    }
    assert.deepEqual(onItsWay, [true, true, true, true, false])
    assert.deepEqual(await open(), ids)
    assert.equal(await recover(), 5)
  })

  it('stays until all that began before it was told has ended', async () => {
    const late = idAt(90_000)
    await database.transaction(async (sql) => {
      await writeGiven(sql, [intent(late)])
      await move()
      await moveLowWater(database.sql, clock)
      const [mark] = await database.sql`select low_water, next_low_water from ledger_mark`
      assert.equal(mark?.low_water, '')
      assert.ok(mark?.next_low_water > late)
    })
    await move()
    assert.deepEqual(await open(), [late])
  })

  it('is met by an intent that comes after it with a row of its own', async () => {
    await move()
    await move()
    const [late, young] = [idAt(90_000), idAt(0)]
    await writeGiven(database.sql, [late, young].map(intent))
    assert.deepEqual(await open(), [late])
    assert.equal(await recover(), 2)
  })

  it('never goes back, whatever the clock says', async () => {
    const ahead = { ...clock, nowMs: () => clock.nowMs() + 3_600_000 }
    await moveLowWater(database.sql, clock)
    await database.sql`update ledger_mark set next_since = now() - interval '1 hour'`
    await moveLowWater(database.sql, ahead)
    await move()
    await move()
    const [mark] = await database.sql`select low_water from ledger_mark`
    assert.ok(mark?.low_water > idsFrom('req', clock.nowMs() + 3_000_000))
    await writeGiven(database.sql, [intent(idAt(0))])
    assert.deepEqual(await lost(), [])
    assert.equal(await recover(), 1)
  })

  it('clears away progress that came after the settlement', async () => {
    const id = idAt(0)
    await writeGiven(database.sql, [intent(id)])
    await settle(id)
    await writeProgress(database.sql, [[id, progress]])
    assert.deepEqual(await open(), [id])
    await move()
    assert.deepEqual(await open(), [])
  })

  it('loses none, however intents, progress, settlements, moves and starts follow', async () => {
    const seed = clock.nowMs() % 2 ** 31
    process.stderr.write(`seed ${seed}\n`)
    const pick = fc.nat(1000)
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ do: fc.constant('open' as const), agoMs: ages }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('progress' as const), pick }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('settle' as const), pick }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('move' as const) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('recover' as const) }) },
    )
    const property = fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      await database.reset()
      await database.sql`insert into ledger_mark (low_water, next_low_water) values ('', '')`
      let running: string[] = []
      let opened = 0
      for (const next of steps) {
        const id = running['pick' in next ? next.pick % Math.max(1, running.length) : 0]
        if (next.do === 'move') await move()
        else if (next.do === 'recover') {
          assert.equal(await recover(), running.length)
          running = []
        } else if (next.do === 'open') {
          const made = idAt(next.agoMs)
          running.push(made)
          await writeGiven(database.sql, [intent(made)])
          opened++
        } else if (id !== undefined && next.do === 'progress') {
          await writeProgress(database.sql, [[id, progress]])
        } else if (id !== undefined) {
          assert.deepEqual(await settle(id), [])
          running = running.filter((other) => other !== id)
        }
        assert.deepEqual(await lost(), [])
      }
      assert.equal(await recover(), running.length)
      const [sums] = await database.sql`select count(*) as n from ledger_settlements`
      assert.equal(sums?.n, opened)
      assert.deepEqual(await open(), [])
    })
    await fc.assert(property, { seed, numRuns: 60, interruptAfterTimeLimit: 30_000 })
  })
})

/** How old an identifier is when its intent is written; a clock may be ahead. */
const ages = fc.constantFrom(0, 1000, 39_000, 41_000, 90_000, 600_000, -30_000)

describe('a database from before the mark', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gristmill-before-mark-'))
  after(() => rmSync(folder, { recursive: true }))

  it('keeps what was open: each is settled once by the first start', async () => {
    const ours = fileURLToPath(new URL('../store/migrations', import.meta.url))
    // The writer of settlements is today's, and asks for a function of its own.
    for (const name of readdirSync(ours)) {
      const isOld = name < '0103' && !name.startsWith('0022_')
      if (isOld || name.startsWith('0119_')) copyFileSync(join(ours, name), join(folder, name))
    }
    const url = new URL(database.url)
    url.pathname = '/before_mark'
    await database.sql`create database before_mark`
    await migrate({ url: url.href, logger, folder })
    const earlier = await openDatabase({ url: url.href, clock, logger, connections: 1 })
    const [old, streaming, ended] = [idAt(86_400_000), idAt(5000), idAt(4000)]
    await writeIntentsAsBefore(earlier.sql, [old, streaming, ended])
    await earlier.sql`update ledger_open set output_tokens = 4 where request_id = ${streaming}`
    await writeSettlements(earlier.sql, [refusedSettlement(intent(ended), clock.nowMs())])
    await migrate({ url: url.href, logger })
    const limits = {
      databaseAwayMsMax: 0,
      ledgerPendingMax: 1000,
      ledgerStallMs: 1000,
      ledgerWaitMs: 2000,
    }
    const registry = new Registry()
    const journal = await openTestJournal()
    const ledger = createLedger({ database: earlier, journal, clock, logger, registry, limits })
    assert.equal(await ledger.recover(), 2)
    await ledger.close()
    const rows = await earlier.sql<{ id: string; group: string; tokens: number }[]>`
      select request_id as id, settlement_group as "group", output_tokens as tokens
      from ledger_settlements order by request_id`
    assert.deepEqual(
      [...rows],
      [
        { id: old, group: 'recovered', tokens: 0 },
        { id: streaming, group: 'recovered', tokens: 4 },
        { id: ended, group: 'cut', tokens: 0 },
      ],
    )
    assert.equal((await earlier.sql`select from ledger_open`).length, 0)
    await earlier.close()
    await database.sql`drop database before_mark`
  })
})

/** Each with its row of working state. */
async function writeIntentsAsBefore(sql: TestDatabase['sql'], ids: string[]): Promise<void> {
  for (const id of ids) {
    await sql`
      insert into ledger_intents (request_id, tenant_id, project_id, key_id, model, endpoint,
        service_class, estimated_input_tokens, output_tokens_max, arrived_at)
      values (${id}, 'ten_a', 'prj_a', 'key_a', 'toy', '/', 'standard', 1, 1, now())`
    await sql`insert into ledger_open (request_id) values (${id})`
  }
}
