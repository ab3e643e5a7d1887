/** Plans for people: worked out in threads, one at a time for each, over a real database. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLogger, systemClock, systemRandom } from '../base/index.ts'
import type { PlanInput, PlanView } from '../http/index.ts'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import { type PlanDesk, planDesk } from './plan-desk.ts'

const BYTES_MAX = 1_000_000
const text = [
  'time_s,tenant,class,input,output',
  ...Array.from({ length: 200 }, (_, i) => `${i * 0.5},${i % 2 ? 'a' : 'b'},standard,80,20`),
].join('\n')
const traceOf = (csv: string): PlanInput['source'] => ({
  kind: 'trace',
  name: 'mine.csv',
  bytes: new TextEncoder().encode(csv),
})
const input: PlanInput = {
  source: traceOf(text),
  engine: 'embedded-135m',
  ttftP99Ms: 2000,
  costPerEngineHour: null,
  tenants: 8,
  seed: 1,
}

/** Takes this engine some ten seconds, which no test waits for. */
const example = { source: { kind: 'example' }, engine: 'h100-8b' } as const

let database: TestDatabase
let desk: PlanDesk
before(async () => {
  database = await openTestDatabase()
})
after(() => database.close())
afterEach(() => desk.close())

function open(planMsMax = 60_000): PlanDesk {
  desk = planDesk({
    sql: database.sql,
    clock: systemClock,
    random: systemRandom,
    logger: createLogger('silent', 'test'),
    limits: { planMsMax, planTraceBytesMax: BYTES_MAX },
  })
  return desk
}

async function ended(person: string): Promise<PlanView> {
  for (;;) {
    const view = desk.view(person)
    if (view && view.state !== 'running') return view
    await sleep(20)
  }
}

describe('a plan at the desk', () => {
  it('is worked out beside everything else, and questions about it are answered', async () => {
    open()
    assert.equal(desk.view('ada'), null)
    assert.throws(() => desk.ask('ada', { kind: 'load', factor: 2 }), { code: 'not_found' })
    assert.equal((await desk.start('ada', input)).state, 'running')
    const { state, report, input: asked, endedAt, failure } = await ended('ada')
    assert.deepEqual([state, failure, asked.name], ['done', null, 'mine.csv'])
    assert.ok(endedAt !== null)
    assert.equal(report?.trace.requests, 200)
    assert.equal(report?.arrangements.length, 3)

    assert.equal(desk.ask('ada', { kind: 'engines', more: 1 }).state, 'running')
    const { answers } = await ended('ada')
    const pooled = report?.arrangements.find(({ kind }) => kind === 'pooled')
    assert.equal(answers[0]?.before.engines, pooled?.engines)
    assert.equal(answers[0]?.after.engines, (pooled?.engines ?? 0) + 1)
    // A question without an answer leaves the plan and the answers as they were.
    desk.ask('ada', { kind: 'tenant', like: 'nobody' })
    const refused = await ended('ada')
    assert.equal(refused.state, 'done')
    assert.match(refused.failure ?? '', /asks for nothing/)
    assert.equal(refused.answers.length, 1)
    assert.equal(desk.view('bob'), null, 'nobody sees the plan of somebody else')
  })

  it('runs once for a person and twice for all; cancelling makes room', async () => {
    open()
    const long = { ...input, ...example }
    await desk.start('ada', long)
    await assert.rejects(desk.start('ada', input), { code: 'plan_running' })
    await desk.start('bob', long)
    await assert.rejects(desk.start('eve', input), { code: 'too_many_plans', status: 429 })
    assert.equal(desk.cancel('bob')?.state, 'cancelled')
    await desk.start('eve', input)
    assert.equal((await ended('eve')).state, 'done')
    assert.equal(desk.view('ada')?.state, 'running')
  })

  it('leaves the event loop free and tells how far it is', async () => {
    open()
    await desk.start('ada', { ...input, ...example })
    const seen = new Set<number>()
    let turns = 0
    for (; seen.size < 4; turns++) {
      const { progress, state } = desk.view('ada') ?? assert.fail('it is there')
      assert.equal(state, 'running')
      seen.add(progress)
      await sleep(1)
    }
    // Every step of it takes longer than many turns of a loop that is free.
    assert.ok(turns > 20, `${turns} turns in ${seen.size} steps`)
  })

  it('counts engines of tenants alone for a time of the ledger, beside plans', async () => {
    const fromMs = Date.UTC(2026, 9, 1)
    await database.sql`
      insert into ledger_intents (request_id, tenant_id, project_id, key_id, model, endpoint,
        service_class, estimated_input_tokens, output_tokens_max, arrived_at)
      select 'req_' || n, 'ten_' || n % 2, 'prj', 'key', 'toy', '/v1/x', 'standard', 1, 1,
        to_timestamp(${fromMs}::float8 / 1000 + n) from generate_series(0, 39) as n`
    await database.sql`
      insert into ledger_settlements (request_id, tenant_id, project_id, key_id, model,
        service_class, served_class, settlement_group, end_reason, estimated, input_tokens,
        cached_tokens, output_tokens, queue_ms, engine_ms, settled_at)
      select request_id, tenant_id, project_id, key_id, model, service_class, service_class,
        'finished', 'done', false, 80, 0, 20, 0, 5, arrived_at + interval '1 second'
      from ledger_intents`
    open()
    const { engine, ttftP99Ms } = input
    const asked = { fromMs, toMs: fromMs + 30_000, tenantIds: null, engine, ttftP99Ms, draws: 1 }
    const { signal } = new AbortController()
    const found = await desk.dedicated('ada', asked, signal)
    // Requests that were settled after the half minute are another time's.
    assert.deepEqual(
      found.tenants.map(({ tenant, requests }) => [tenant, requests]),
      [
        ['ten_0', 15],
        ['ten_1', 14],
      ],
    )
    assert.equal(desk.view('ada'), null)
    await assert.rejects(desk.dedicated('ada', asked, AbortSignal.abort(new Error('gone'))), /gone/)
    assert.equal((await desk.dedicated('ada', { ...asked, draws: 0 }, signal)).draws, 0)
  })

  it('says which line of a trace is wrong, and when there is no time or no ledger', async () => {
    open(50)
    await desk.start('ada', { ...input, source: traceOf(`${text}\n1,a,standard,x,2`) })
    const wrong = await ended('ada')
    assert.equal(wrong.state, 'failed')
    assert.match(wrong.failure ?? '', /line 202|not done within/)
    await desk.start('ada', { ...input, ...example })
    assert.match((await ended('ada')).failure ?? '', /not done within 0 s/)
    const ledger = { ...input, source: { kind: 'ledger', hours: 24, tenantIds: null } as const }
    await assert.rejects(desk.start('ada', ledger), /nothing was settled/)
    assert.equal(desk.view('ada')?.state, 'failed', 'the plan before is still there')
  })
})
