import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { GristmillError, type Random, seededRandom, systemClock } from '../base/index.ts'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import {
  exportUsageCsv,
  findRequest,
  foldUsage,
  listRequests,
  queryFlow,
  queryUsage,
  type RequestFilter,
  spendSince,
  type UsageFilter,
  type UsageGroup,
  type UsageRow,
  usageGroups,
} from './index.ts'
import { rowOfIntent, writeIntents, writeProgress, writeSettlements } from './ledger-rows.ts'
import type { Intent, Settlement } from './types.ts'

const HOUR_MS = 3_600_000
const FROM_MS = Date.UTC(2026, 0, 1)
const always = { fromMs: FROM_MS, toMs: FROM_MS + 48 * HOUR_MS }

let database: TestDatabase
const intents: Intent[] = []
const settlements: Settlement[] = []

before(async () => {
  database = await openTestDatabase()
  const seed = systemClock.nowMs() % 2 ** 31
  process.stderr.write(`seed ${seed}\n`)
  const random = seededRandom(seed)
  for (let i = 0; i < 400; i++) makeRequest(i, random)
  await writeIntents(database.sql, intents.map(rowOfIntent))
  const later = settlements.splice(200)
  assert.deepEqual(await writeSettlements(database.sql, settlements), [])
  assert.ok((await foldUsage(database, 7)) > 0)
  // Some of them belong to hours that were folded.
  assert.deepEqual(await writeSettlements(database.sql, later), [])
  settlements.push(...later)
})
after(() => database.close())

function makeRequest(number: number, random: Random): void {
  const pick = (count: number) => Math.floor(random.next() * count)
  const tenant = pick(3)
  const requestId = `req_${String(number).padStart(6, '0')}`
  const arrivedAtMs = FROM_MS + pick(30 * HOUR_MS)
  intents.push({
    requestId,
    tenantId: `ten_${tenant}`,
    projectId: `prj_${tenant}_${pick(2)}`,
    keyId: `key_${tenant}_${pick(3)}`,
    endUser: null,
    sessionId: null,
    model: ['toy', '=cmd()', 'a,b'][pick(3)] as string,
    endpoint: '/v1/chat/completions',
    serviceClass: 'standard',
    estimatedInputTokens: 1,
    outputTokensMax: 1,
    arrivedAtMs,
  })
  // The last ten stay open.
  if (number >= 390) return
  settlements.push({
    requestId,
    group: (['finished', 'cut', 'recovered'] as const)[pick(3)] ?? 'cut',
    end: 'done',
    estimated: false,
    servedClass: (['standard', 'flex'] as const)[pick(2)] ?? 'flex',
    engineId: 'eng_a',
    inputTokens: pick(1000),
    cachedTokens: pick(10),
    outputTokens: pick(500),
    queueMs: pick(100),
    engineMs: pick(9000),
    ttftMs: null,
    tokenGapMs: null,
    settledAtMs: arrivedAtMs + pick(2 * HOUR_MS),
    // In a currency whose unit is small: together more than a number can count one by one.
    ...(pick(3) === 0 && { rentedTarget: 'far/small', spendNanos: pick(900) * 1e13 }),
    ...(pick(4) === 0 && { hit: { inputTokens: 1 + pick(9), outputTokens: pick(9) } }),
  })
}

/** The same sums by other means: from the rows in memory, one group after the other. */
function expected(filter: UsageFilter, groupBy: readonly UsageGroup[]): Map<string, number[]> {
  const sums = new Map<string, number[]>()
  const has = (group: UsageGroup, value: string) => (groupBy.includes(group) ? value : null)
  for (const s of settlements) {
    const i = intents.find((one) => one.requestId === s.requestId) as Intent
    if (s.settledAtMs < filter.fromMs || s.settledAtMs >= filter.toMs) continue
    if (filter.tenantIds && !filter.tenantIds.includes(i.tenantId)) continue
    if (filter.projectIds && !filter.projectIds.includes(i.projectId)) continue
    if (filter.keyIds && !filter.keyIds.includes(i.keyId)) continue
    if (filter.model !== undefined && filter.model !== i.model) continue
    const hour = new Date(Math.floor(s.settledAtMs / HOUR_MS) * HOUR_MS).toISOString()
    const key = JSON.stringify([
      has('hour', hour.replace('.000Z', 'Z')),
      has('day', hour.slice(0, 10)),
      has('tenant', i.tenantId),
      has('project', i.projectId),
      has('key', i.keyId),
      has('model', i.model),
      has('class', s.servedClass),
    ])
    const is = (group: string) => (s.group === group ? 1 : 0)
    const row = [1, is('finished'), is('cut'), is('recovered'), s.inputTokens, s.cachedTokens]
    row.push(s.outputTokens, s.engineMs, s.queueMs)
    row.push(s.hit ? 1 : 0, s.hit?.inputTokens ?? 0, s.hit?.outputTokens ?? 0)
    sums.set(
      key,
      row.map((value, n) => value + (sums.get(key)?.[n] ?? 0)),
    )
  }
  return sums
}

function asMap(rows: readonly UsageRow[]): Map<string, number[]> {
  return new Map(
    rows.map((r) => [
      JSON.stringify([r.hour, r.day, r.tenantId, r.projectId, r.keyId, r.model, r.serviceClass]),
      [
        ...[r.requests, r.finished, r.cut, r.recovered, r.inputTokens, r.cachedTokens],
        ...[r.outputTokens, r.engineMs, r.queueMs, r.hits, r.hitInputTokens, r.hitOutputTokens],
      ],
    ]),
  )
}

const all = (filter: UsageFilter, groupBy: readonly UsageGroup[]) =>
  queryUsage(database.sql, filter, groupBy, { limit: 10_000 })

describe('who asked for what, and who answered', () => {
  it('is summed up by tenant, name and engine; what is cut off by the limit is still counted', async () => {
    const inTime = settlements.filter(
      ({ settledAtMs }) => settledAtMs >= always.fromMs && settledAtMs < always.toMs,
    )
    const all = await queryFlow(database.sql, always, 1000)
    assert.equal(all.requests, inTime.length)
    const sum = (pick: (row: (typeof all.rows)[number]) => number) =>
      all.rows.reduce((total, row) => total + pick(row), 0)
    assert.equal(
      sum(({ requests }) => requests),
      inTime.length,
    )
    assert.equal(
      sum(({ cut }) => cut),
      inTime.filter(({ group }) => group !== 'finished').length,
    )
    const first = await queryFlow(database.sql, always, 1)
    assert.deepEqual([first.rows, first.requests], [all.rows.slice(0, 1), inTime.length])
    const mine = await queryFlow(database.sql, { ...always, tenantIds: ['ten_1'] }, 1000)
    assert.deepEqual(
      mine.rows,
      all.rows.filter(({ tenantId }) => tenantId === 'ten_1'),
    )
  })
})

describe('usage', () => {
  it('is the sum of the settlements, however it is grouped', async () => {
    const groupings: UsageGroup[][] = [
      [],
      ...usageGroups.map((group) => [group]),
      ['hour', 'tenant'],
      ['day', 'model'],
      ['tenant', 'project', 'key'],
      [...usageGroups],
    ]
    for (const groupBy of groupings) {
      const { rows, next } = await all(always, groupBy)
      assert.deepEqual(asMap(rows), expected(always, groupBy), groupBy.join())
      assert.equal(next, null)
    }
  })

  it('can be narrowed to tenants, a project, a key, a model and a time', async () => {
    const hours = { fromMs: FROM_MS + 5 * HOUR_MS, toMs: FROM_MS + 9 * HOUR_MS }
    const within = (from: number, to: number) => {
      return { fromMs: FROM_MS + from * HOUR_MS, toMs: FROM_MS + to * HOUR_MS }
    }
    const filters: UsageFilter[] = [
      hours,
      within(5.3, 9.6),
      within(5, 5.5),
      within(5.5, 6),
      within(5.3, 5.6),
      within(5.6, 6.4),
      { ...always, tenantIds: ['ten_1'] },
      { ...always, tenantIds: ['ten_0', 'ten_2', 'o"ha\\ra'] },
      { ...always, projectIds: ['prj_1_0'] },
      { ...always, keyIds: ['key_2_1', 'key_1_0'] },
      { ...always, model: 'a,b' },
      { ...hours, tenantIds: ['ten_1'], model: 'toy' },
    ]
    for (const filter of filters) {
      const { rows } = await all(filter, ['hour', 'tenant'])
      assert.deepEqual(asMap(rows), expected(filter, ['hour', 'tenant']), JSON.stringify(filter))
    }
    assert.deepEqual((await all({ ...always, tenantIds: [] }, ['tenant'])).rows, [])
  })

  it('of rented targets is what they cost since an hour, folded or not', async () => {
    const fromMs = FROM_MS + 9 * HOUR_MS
    const spent = new Map<string, number>()
    for (const { requestId, settledAtMs, spendNanos } of settlements) {
      if (settledAtMs < fromMs || spendNanos == null) continue
      const { tenantId, model } = intents.find((one) => one.requestId === requestId) as Intent
      const key = `${tenantId} ${model}`
      spent.set(key, (spent.get(key) ?? 0) + spendNanos)
    }
    const rows = await spendSince(database.sql, fromMs)
    const found = rows.map((row) => [`${row.tenantId} ${row.model}`, row.spendNanos] as const)
    assert.ok(found.length > 0)
    assert.deepEqual(new Map(found), spent)
  })

  it('comes in pages that together are the whole', async () => {
    for (const groupBy of [
      ['hour', 'tenant', 'model'],
      ['key', 'class'],
      ['hour'],
      ['day', 'key'],
    ] as const) {
      const whole = (await all(always, groupBy)).rows
      const paged: UsageRow[] = []
      let cursor: string | undefined
      do {
        const page = await queryUsage(database.sql, always, groupBy, { limit: 7, cursor })
        assert.ok(page.rows.length <= 7)
        paged.push(...page.rows)
        cursor = page.next ?? undefined
      } while (cursor)
      assert.deepEqual(paged, whole)
    }
  })

  it('refuses a cursor that is not one', async () => {
    const foreign = [
      'x',
      '',
      Buffer.from('["2026-99-99T00:00:00Z","","","","",""]').toString('base64url'),
      Buffer.from('["2026-01-01T00:00:00Z","\\u0000","","","",""]').toString('base64url'),
    ]
    for (const cursor of foreign.filter(Boolean))
      await assert.rejects(
        queryUsage(database.sql, always, ['hour'], { limit: 7, cursor }),
        (error) => error instanceof GristmillError && error.code === 'invalid_value',
      )
  })

  it('comes as CSV with the same rows and nothing a spreadsheet would run', async () => {
    const pieces: string[] = []
    const one = exportUsageCsv(database.sql, always, ['tenant', 'model'], 2)
    for await (const piece of one) pieces.push(piece)
    assert.ok(pieces.length > 3, 'a header, then page by page')
    const lines = pieces.join('').split('\r\n')
    assert.equal(lines.pop(), '')
    assert.match(lines[0] ?? '', /^hour,tenantId,projectId,keyId,model,serviceClass,requests,/)
    assert.equal(lines.length - 1, expected(always, ['tenant', 'model']).size)
    assert.ok(lines.some((line) => line.startsWith(",ten_0,,,'=cmd(),")))
    assert.ok(lines.some((line) => line.startsWith(',ten_0,,,"a,b",')))
  })
})

/** Open ones before those that have ended, the last first; sorted without the database. */
function listed(isWanted: (intent: Intent) => boolean): string[] {
  const endedAtMs = new Map(settlements.map((one) => [one.requestId, one.settledAtMs]))
  const at = (id: string) => endedAtMs.get(id) ?? Number.POSITIVE_INFINITY
  const ids = intents.filter(isWanted).map((one) => one.requestId)
  return ids
    .sort()
    .reverse()
    .sort((a, b) => (at(a) === at(b) ? 0 : at(b) - at(a)))
}

async function pages(filter: RequestFilter, limit: number): Promise<string[]> {
  const ids: string[] = []
  let before: string | undefined
  do {
    const page = await listRequests(database.sql, filter, { limit, before })
    assert.ok(page.rows.length <= limit)
    ids.push(...page.rows.map((row) => row.id))
    before = page.next ?? undefined
  } while (before)
  return ids
}

describe('the list of requests', () => {
  it('has open ones, then the last that ended, page by page', async () => {
    for (const limit of [4, 10, 33, 400])
      assert.deepEqual(
        await pages({}, limit),
        listed(() => true),
      )
  })

  it('can be narrowed to tenants, a key and a model', async () => {
    const filters: RequestFilter[] = [
      { tenantIds: ['ten_1'] },
      { tenantIds: ['ten_0', 'ten_2'] },
      { keyId: 'key_0_1' },
      { model: 'a,b' },
      { tenantIds: ['ten_0', 'ten_1'], keyId: 'key_1_2', model: 'toy' },
      { tenantIds: ['ten_2', 'ten_1'], model: 'toy' },
      { tenantIds: ['ten_0'], keyId: 'key_1_2' },
      { tenantIds: [] },
    ]
    for (const filter of filters) {
      const { tenantIds, keyId, model } = filter
      const isWanted = (one: Intent) =>
        (tenantIds?.includes(one.tenantId) ?? true) &&
        (keyId ?? one.keyId) === one.keyId &&
        (model ?? one.model) === one.model
      assert.deepEqual(await pages(filter, 7), listed(isWanted), JSON.stringify(filter))
    }
  })

  it('has open ones wherever the low-water mark is', async () => {
    const { sql } = database
    for (const mark of ['', 'req_000393', 'req_9']) {
      await sql`
        insert into ledger_mark (low_water, next_low_water) values (${mark}, ${mark})
        on conflict (only_row) do update set low_water = ${mark}, next_low_water = ${mark}`
      await sql`
        insert into ledger_open (request_id)
        select request_id from ledger_intents as i where request_id < ${mark}
          and not exists (select from ledger_settlements as s where s.request_id = i.request_id)
        on conflict do nothing`
      assert.deepEqual(
        await pages({ tenantIds: ['ten_0', 'ten_1', 'ten_2'] }, 6),
        listed(() => true),
      )
    }
  })

  it('misses none that ends between two pages', async () => {
    const open = async (id: string) => {
      const [{ requestId: _, ...like }] = intents as [Intent]
      const one = { ...like, requestId: id, tenantId: 'ten_ends' }
      await writeIntents(database.sql, [rowOfIntent(one)])
    }
    const end = async (id: string) => {
      const [like] = settlements as [Settlement]
      await writeSettlements(database.sql, [{ ...like, requestId: id, settledAtMs: FROM_MS }])
    }
    for (const id of ['req_e1', 'req_e2', 'req_e3', 'req_e4']) await open(id)
    await end('req_e1')
    const filter = { tenantIds: ['ten_ends'] }
    const first = await listRequests(database.sql, filter, { limit: 2 })
    await end('req_e2')
    await end('req_e4')
    const second = await listRequests(database.sql, filter, { limit: 9, before: first.next ?? '' })
    const ids = [first, second].map(({ rows }) => rows.map((row) => row.id))
    assert.deepEqual(ids, [
      ['req_e4', 'req_e3'],
      ['req_e4', 'req_e2', 'req_e1'],
    ])
    await end('req_e3')
  })

  it('shows one request with both its rows', async () => {
    const row = await findRequest(database.sql, 'req_000005')
    const [wanted, settled] = [intents[5] as Intent, settlements[5] as Settlement]
    assert.equal(row?.tenantId, wanted.tenantId)
    assert.equal(row?.arrivedAt, new Date(wanted.arrivedAtMs).toISOString())
    assert.equal(row?.settledAt, new Date(settled.settledAtMs).toISOString())
    assert.equal(row?.group, settled.group)
    assert.equal(row?.outputTokens, settled.outputTokens)
    for (const [index, { requestId, hit }] of settlements.slice(0, 8).entries()) {
      const found = await findRequest(database.sql, requestId)
      const tokens = [found?.hitInputTokens, found?.hitOutputTokens]
      assert.deepEqual(tokens, hit ? [hit.inputTokens, hit.outputTokens] : [null, null], `${index}`)
    }
    assert.equal(await findRequest(database.sql, 'req_nothing'), undefined)
  })

  it('shows how far an open request is', async () => {
    const note = {
      engineId: 'eng_b',
      servedClass: 'flex',
      inputTokens: 9,
      cachedTokens: 0,
    } as const
    const times = { outputTokens: 4, queueMs: 1, engineMs: 2, ttftMs: 1 }
    await writeProgress(database.sql, [['req_000395', { ...note, ...times }]])
    const row = await findRequest(database.sql, 'req_000395')
    assert.equal(row?.settledAt, null)
    assert.equal(row?.group, null)
    assert.equal(row?.engineId, 'eng_b')
    assert.equal(row?.outputTokens, 4)
  })
})
