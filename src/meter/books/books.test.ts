import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { createLogger, FakeClock, systemRandom } from '../../base/index.ts'
import { openTestDatabase, type TestDatabase } from '../../store/index.ts'
import { createTenancy, type Tenancy } from '../../tenancy/index.ts'
import { recordCapacity } from '../capacity.ts'
import { readDiscounts } from '../discounts/discounts.ts'
import { addTerms, termsInput } from '../discounts/terms-input.ts'
import { writeSettlements } from '../ledger-rows.ts'
import { insertPrices } from '../prices/price-rows.ts'
import type { Settlement } from '../types.ts'
import { Books, type Closing } from './books.ts'
import { addEngineCost } from './engine-costs.ts'
import { readStatements } from './statement-rows.ts'
import type { StatementDocument } from './statement-types.ts'
import { verifyRequests } from './verify-requests.ts'
import { verifyStatements } from './verify-statements.ts'

const FROM_MS = Date.UTC(2026, 9, 1)
const HOUR_MS = 3_600_000
const actor = { name: 'cli', from: 'local' }
const hour: Closing = { fromMs: FROM_MS, toMs: FROM_MS + HOUR_MS, rule: 'weight', basis: 'cost' }
const logger = createLogger('silent', 'test')

let database: TestDatabase
let tenancy: Tenancy
let books: Books
const clock = new FakeClock(FROM_MS + 24 * HOUR_MS)

before(async () => {
  database = await openTestDatabase()
  tenancy = await createTenancy({ database, clock, random: systemRandom, logger })
  const seed = new Uint8Array(32).fill(5)
  books = new Books({ database, tenancy, clock, currency: 'EUR', seed })
})
after(async () => {
  await tenancy.close()
  await database.close()
})

/** Two tenants, an engine of 3.60 an hour, and a price of a thousand nanos a prompt token. */
beforeEach(async () => {
  await database.reset()
  const { sql } = database
  await sql`insert into ledger_mark (low_water, next_low_water) values ('req_5', 'req_5')`
  await sql`insert into tenant_weights (tenant_id, from_at, weight)
    values ('ten_a', '2026-01-01', 1), ('ten_b', '2026-01-01', 1)`
  const parts = { machine: 3_600_000_000n, energy: 0n, staff: 0n }
  const who = { engineId: 'eng_1', engineName: 'gpu-1', actor: 'cli', atMs: FROM_MS }
  await addEngineCost(sql, { ...who, ...parts, fromMs: FROM_MS })
  const scope = { model: '*', serviceClass: null, plan: null, note: '', actor: 'cli' }
  const none = { cachedInput: 0n, cacheWrite: 0n, output: 0n, reasoning: 0n, embedding: 0n }
  const rates = { ...none, input: 10n ** 9n, request: 7n, engineSecond: 0n, hitMillionths: 0n }
  const prices = [0, 10].map((hours) => {
    return { ...scope, rates, effectiveAtMs: FROM_MS + hours * HOUR_MS, atMs: FROM_MS - 1 }
  })
  await database.transaction((transaction) => insertPrices(transaction, prices, 'EUR'))
  await ask('req_1', 'ten_a', 10)
  await ask('req_2', 'ten_b', 20)
  await ask('req_3', 'ten_a', 30)
  const units = { interactiveUnits: 1, backgroundUnits: 0, entitledUnits: 0, waste: {} }
  await recordCapacity(database, 'run', [
    {
      engineId: 'eng_1',
      minuteAtMs: FROM_MS,
      registeredS: 60,
      ...{ upS: 60, idleS: 0, degradedS: 0, drainingS: 0, slotS: 0, capSlotS: 0 },
      ...{ freeS: 40, drainedS: 0, loadingS: 0, downS: 0 },
      ...{ attempts: 0, failures: {}, capacityUnitsPerS: null },
      tenants: [{ tenantId: 'ten_a', engineS: 20, ...units }],
    },
  ])
})

/** A request at a minute of the hour, of a hundred prompt tokens. */
async function ask(id: string, tenantId: string, atMinute: number, isOpen = false) {
  const { sql } = database
  const at = new Date(FROM_MS + atMinute * 60_000)
  await sql`
    insert into ledger_intents (request_id, tenant_id, project_id, key_id, model, endpoint,
      service_class, estimated_input_tokens, output_tokens_max, arrived_at)
    values (${id}, ${tenantId}, 'prj_1', 'key_1', 'small', '/v1/chat/completions', 'standard', 1, 1,
      ${at})`
  if (isOpen) return
  await sql`
    insert into ledger_settlements (request_id, tenant_id, project_id, key_id, model,
      service_class, served_class, settlement_group, end_reason, estimated, input_tokens,
      cached_tokens, output_tokens, queue_ms, engine_ms, settled_at, charge_nanos, price_version)
    values (${id}, ${tenantId}, 'prj_1', 'key_1', 'small', 'standard', 'standard', 'finished',
      'done', false, 100, 0, 10, 0, 5, ${at}, 100007, 1)`
}

const settlement: Omit<Settlement, 'requestId' | 'settledAtMs'> = {
  ...{ group: 'finished', end: 'done', estimated: false, servedClass: 'standard', engineId: null },
  ...{ inputTokens: 100, cachedTokens: 0, outputTokens: 10, queueMs: 0, engineMs: 5 },
  ...{ ttftMs: null, tokenGapMs: null, chargeNanos: 100_007n, priceVersion: 1 },
}

/** Changes what nobody can change. */
const tamper = (statement: string) =>
  database.sql.begin(async (sql) => {
    await sql`set local session_replication_role = replica`
    await sql.unsafe(statement)
  })

const refusal = (reason: RegExp) => (error: { code?: string; message?: string }) =>
  error.code === 'period_refused' && reason.test(error.message ?? '')

describe('closing a period', () => {
  it('makes a numbered and signed statement for each tenant', async () => {
    const { statements, warnings } = await books.close(hour, actor)
    assert.deepEqual(
      statements.map(({ number, document }) => [number, document.tenantId, document.total]),
      [
        [1, 'ten_a', '0.04'],
        [2, 'ten_b', '0.02'],
      ],
    )
    assert.deepEqual(warnings, [])
    const [first, second] = statements
    assert.equal(second?.previousHash, first?.hash)
    assert.equal(
      first?.document.kind === 'statement' && first.document.usage[0]?.charge,
      '0.000200014',
    )
    const { rows } = await tenancy.audit.list({ action: 'ledger.close' }, { limit: 10 })
    assert.deepEqual(
      rows.map(({ subject }) => subject),
      ['statement:2', 'statement:1'],
    )
    await assert.rejects(database.sql`update ledger_statements set actor = 'me'`)
    await assert.rejects(database.sql`delete from ledger_statements`)
  })

  it('bills use at the price book where that is asked for', async () => {
    const { statements } = await books.close({ ...hour, basis: 'prices' }, actor)
    assert.deepEqual(
      statements.map(({ document }) => document.total),
      ['0.000200014', '0.000100007'],
    )
  })

  it('tells beside what is billed what became of prepaid credit', async () => {
    await payAhead()
    const { statements } = await books.close({ ...hour, basis: 'prices' }, actor)
    const [first, second] = statements.map(({ document }) => document as StatementDocument)
    const used = { toppedUp: '0.000000011', refunded: '-0.000000005', corrected: '0' }
    assert.deepEqual(first?.credit, { ...used, used: '0.000100007' })
    assert.deepEqual([first?.total, second?.credit], ['0.000200014', undefined])
  })

  it('takes off what is free and discounts by volume, the same in whatever parts', async () => {
    // The first of two requests is free but for 7 nanos; of the rest a half, rounded to even.
    const free = { unit: 'money', amount: '0.0001' }
    const terms = { free, tiers: [{ above: '0', percent: '50' }], from: '2026-10' }
    await setTerms({ ...terms, tenantId: 'ten_a' })
    const halves = [0, 20, 60].map((minutes) => FROM_MS + minutes * 60_000)
    const documents: StatementDocument[] = []
    for (const at of [0, 1]) {
      const span = { fromMs: halves[at] ?? 0, toMs: halves[at + 1] ?? 0 }
      const { statements } = await books.close({ ...hour, ...span, basis: 'prices' }, actor)
      documents.push(...statements.map(({ document }) => document as StatementDocument))
    }
    const [first, second] = documents.filter(({ tenantId }) => tenantId === 'ten_a')
    const other = documents.findLast(({ tenantId }) => tenantId === 'ten_b')
    const amounts = (one?: StatementDocument) => one?.discounts?.lines.map(({ amount }) => amount)
    assert.deepEqual([first?.total, amounts(first)], ['0.000000003', ['-0.0001', '-0.000000004']])
    assert.deepEqual([second?.total, amounts(second)], ['0.000050004', ['-0.000050003']])
    assert.deepEqual(second?.discounts?.lines[0]?.before, '0.000000004')
    assert.deepEqual([other?.total, amounts(other)], ['0.000100007', []])
    assert.equal((await verifyStatements(database.sql, 0)).broken, null)
    // 200,014 less 100,000; of the rest a half.
    const month = { tenantId: 'ten_a', fromMs: FROM_MS, toMs: halves[2] ?? 0, plan: null }
    const whole = await readDiscounts(database.sql, month)
    const sum = whole?.lines.map(({ granted }) => granted)
    assert.deepEqual(sum, ['0.0001', '0.000050007'])
    await assert.rejects(setTerms({ ...terms, tenantId: 'ten_b' }), refusal(/statement 1 closes/))
    await setTerms({ ...terms, from: '2026-11', tenantId: 'ten_b' })
    assert.equal((await verifyStatements(database.sql, 0)).broken, null)
  })

  it('takes nothing off shares of costs, which are no prices', async () => {
    await setTerms({ tenantId: 'ten_a', free: { unit: 'tokens', amount: '50' }, from: '2026-10' })
    const { statements } = await books.close(hour, actor)
    const [first] = statements.map(({ document }) => document as StatementDocument)
    assert.deepEqual([first?.discounts, first?.total], [undefined, '0.04'])
  })

  it('waits until the period has ended, and names requests that are open', async () => {
    const day = { ...hour, toMs: clock.nowMs() - 60_000 }
    assert.throws(() => books.close(day, actor), refusal(/ended 2 minutes ago/))
    await ask('req_6', 'ten_a', 40, true)
    await assert.rejects(books.close(hour, actor), refusal(/are open: req_6/))
    await ask('req_7', 'ten_a', 70, true)
    const before = { ...hour, toMs: FROM_MS + 35 * 60_000 }
    assert.equal((await books.close(before, actor)).statements.length, 2)
  })

  it('leaves what is settled at a closed time, as by a clock set back, to the time after it', async () => {
    const half = { ...hour, toMs: FROM_MS + 30 * 60_000 }
    await books.close(half, actor)
    await books.close({ ...hour, fromMs: half.toMs, tenantIds: ['ten_a'] }, actor)
    await ask('req_6', 'ten_a', 12, true)
    await ask('req_7', 'ten_b', 12, true)
    await ask('req_8', 'ten_b', 40, true)
    const at = (requestId: string, minute: number) => {
      return { ...settlement, requestId, settledAtMs: FROM_MS + minute * 60_000 }
    }
    const late = [at('req_6', 12), at('req_7', 12), at('req_8', 40)]
    await writeSettlements(database.sql, late)
    const rows = await database.sql<{ minute: number }[]>`
      select (extract(epoch from settled_at - ${new Date(FROM_MS)}) / 60)::int4 as minute
      from ledger_settlements where request_id > 'req_5' order by request_id`
    assert.deepEqual(
      rows.map(({ minute }) => minute),
      [60, 30, 40],
    )
    assert.equal((await verifyStatements(database.sql, 0)).broken, null)
  })

  it('is done once for each tenant, and for all of them at the same costs', async () => {
    await books.close({ ...hour, tenantIds: ['ten_b'] }, actor)
    await assert.rejects(books.close({ ...hour, tenantIds: ['ten_b'] }, actor), refusal(/all are/))
    const overlapping = { ...hour, fromMs: FROM_MS + 60_000 }
    await assert.rejects(books.close(overlapping, actor), refusal(/1 closes a part of it/))
    await assert.rejects(books.close({ ...hour, rule: 'use' }, actor), refusal(/by another rule/))
    const { statements } = await books.close(hour, actor)
    assert.deepEqual(
      statements.map(({ document }) => document.tenantId),
      ['ten_a'],
    )
  })

  it('is taken back by a credit note, and done again under another number', async () => {
    await books.close(hour, actor)
    const who = { engineId: 'eng_1', engineName: 'gpu-1', actor: 'cli', atMs: 1 }
    const cost = { ...who, staff: 10n, fromMs: FROM_MS }
    const set = () => database.transaction((sql) => addEngineCost(sql, cost))
    await assert.rejects(set(), refusal(/statement 1 closes it until 2026-10-01T01/))
    const note = await books.reopen(2, 'the cost was wrong', actor)
    assert.deepEqual([note.number, note.document.total], [3, '-0.02'])
    await assert.rejects(books.reopen(2, 'again', actor), refusal(/credit note 3 has taken/))
    await assert.rejects(books.reopen(3, 'that', actor), refusal(/3 is a credit note/))
    await books.reopen(1, 'the cost was wrong', actor)
    await set()
    const [first, second] = (await books.close(hour, actor)).statements
    assert.deepEqual([first?.number, second?.number], [5, 6])
    assert.equal((await verifyStatements(database.sql, 0)).broken, null)
    assert.equal((await readStatements(database.sql, { tenantIds: ['ten_b'] }, 9)).length, 3)
  })

  it('never gives a number twice, however many close at once', async () => {
    const tenants = ['ten_a', 'ten_b'].map((id) => ({ ...hour, tenantIds: [id] }))
    await Promise.all(tenants.map((closing) => books.close(closing, actor)))
    const statements = await readStatements(database.sql, { after: 0 }, 9)
    assert.deepEqual(
      statements.map(({ number }) => number),
      [1, 2],
    )
    assert.equal((await verifyStatements(database.sql, 0)).broken, null)
  })
})

/** Tenants here are known to the ledger alone. */
async function setTerms(given: object) {
  await tamper(`
    insert into tenants (id, name, weight, classes, default_class, limits, hue, created_at)
    select id, id, 1, '["standard"]', 'standard', '{}', 0, now()
    from unnest(array['ten_a', 'ten_b']) as id on conflict do nothing`)
  return addTerms({ database, audit: tenancy.audit, clock }, termsInput.parse(given), actor)
}

/** Credit of the first tenant, which its first request used and its second came before. */
async function payAhead() {
  const at = (minute: number) => `'${new Date(FROM_MS + minute * 60_000).toISOString()}'`
  await tamper(`
    insert into budgets (id, name, tenant_id, unit, limit_amount, period, is_hard, clamps,
      is_prepaid, created_at)
    values ('bud_1', 'prepaid credit', 'ten_a', 'money', 6, 'total', true, false, true, ${at(0)});
    insert into credits (id, tenant_id, budget_id, kind, amount_nanos, note, actor, at)
    values ('crd_1', 'ten_a', 'bud_1', 'top_up', 9, 'first', 'cli', ${at(1)}),
      ('crd_2', 'ten_a', 'bud_1', 'top_up', 2, 'second', 'cli', ${at(59)}),
      ('crd_3', 'ten_a', 'bud_1', 'refund', -5, 'back', 'cli', ${at(30)}),
      ('crd_4', 'ten_a', 'bud_1', 'top_up', 3, 'later', 'cli', ${at(60)});
    update ledger_intents set reserved = '[["bud_2|0|", "gw", "1"], ["bud_1|0|", "gw", "9"]]'
    where request_id = 'req_1'`)
}

describe('the proof of the books', () => {
  const requests = async () => (await verifyRequests(database.sql, '')).broken
  const statements = async () => (await verifyStatements(database.sql, 0)).broken

  it('finds whole books whole, and counts what is open', async () => {
    await ask('req_6', 'ten_a', 50, true)
    const part = { checked: 4, open: 1, next: null, broken: null }
    assert.deepEqual(await verifyRequests(database.sql, ''), part)
    await books.close({ ...hour, toMs: FROM_MS + 45 * 60_000 }, actor)
    const all = { checked: 2, open: 0, next: null, broken: null }
    assert.deepEqual(await verifyStatements(database.sql, 0), all)
  })

  it('goes on from where the part before ended', async () => {
    await books.close(hour, actor)
    assert.equal((await verifyRequests(database.sql, 'req_1')).checked, 2)
    assert.deepEqual(await verifyStatements(database.sql, 1), {
      checked: 1,
      open: 0,
      next: null,
      broken: null,
    })
  })

  const wrongRequests = [
    ["delete from ledger_intents where request_id = 'req_2'", 'req_2', 'settled without an intent'],
    ["delete from ledger_settlements where request_id = 'req_1'", 'req_1', 'never closed'],
    [
      "update ledger_settlements set charge_nanos = 100006 where request_id = 'req_3'",
      'req_3',
      'charged another amount than its price comes to',
    ],
    [
      "update ledger_settlements set price_version = 2 where request_id = 'req_2'",
      'req_2',
      'charged by a price that did not hold yet',
    ],
    [
      "update ledger_settlements set price_version = 9 where request_id = 'req_2'",
      'req_2',
      'charged by a price that there is not',
    ],
    [
      "update ledger_intents set arrived_at = arrived_at + interval '12 hours' where request_id = 'req_2'",
      'req_2',
      'charged by a price that held no longer',
    ],
    [
      "update ledger_settlements set tenant_id = 'ten_b' where request_id = 'req_1'",
      'req_1',
      'booked for somebody else',
    ],
  ] as const
  for (const [statement, id, what] of wrongRequests) {
    it(`finds a request that was ${what}`, async () => {
      await tamper(statement)
      assert.deepEqual(await requests(), { id, what })
    })
  }

  const wrongStatements = [
    [
      "update ledger_statements set document = replace(document, '0.04', '0.03') where number = 1",
      'statement 1',
      'it is not what was hashed',
    ],
    ['delete from ledger_statements where number = 1', 'statement 1', 'it is missing'],
    [
      'update ledger_statements set previous_hash = hash where number = 2',
      'statement 2',
      'it does not follow the one before it',
    ],
    [
      "update ledger_statements set signature = repeat('0', 128) where number = 2",
      'statement 2',
      'its signature is not of its key',
    ],
    [
      "update ledger_settlements set input_tokens = 101 where request_id = 'req_2'",
      'statement 2',
      'the settlements of its period say something else',
    ],
    [
      'update discount_terms set tiers = tiers || tiers',
      'statement 2',
      'its discounts are not those of its terms',
    ],
    [
      "update credits set amount_nanos = 8 where id = 'crd_1'",
      'statement 1',
      'the prepaid credit of its period says something else',
    ],
    [
      'update engine_minutes set registered_s = 59',
      'statement 1',
      'the engine minutes and costs of its period say something else',
    ],
  ] as const
  for (const [statement, id, what] of wrongStatements) {
    it(`finds a statement of which ${what}`, async () => {
      await payAhead()
      const tiers = [{ above: '0', percent: '50' }]
      await setTerms({ tenantId: 'ten_b', tiers, from: '2026-10' })
      await books.close({ ...hour, tenantIds: ['ten_a'] }, actor)
      await books.close({ ...hour, basis: 'prices' }, actor)
      await tamper(statement)
      assert.deepEqual(await statements(), { id, what })
    })
  }
})
