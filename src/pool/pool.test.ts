import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GristmillError } from '../base/index.ts'
import { pinnedModel } from './engine-places.ts'
import { floorOf, queueOf } from './floor.ts'
import { end, engine, profile, request, setUp } from './test-pool.ts'

function refusal(code: string) {
  return (error: unknown) => error instanceof GristmillError && error.code === code
}

test('a tenant that weighs more has an express sequence at once', async () => {
  const { pool } = setUp(2)
  const [first, other, second] = ['a', 'b', 'a'].map((id) => pool.submit(request(id)))
  await Promise.all([first?.granted, other?.granted])
  assert.equal(pool.waitingCount, 1)
  pool.setWeight(3, 'a')
  assert.equal((await second?.granted)?.express, true)
  pool.close()
})

test('a slot is granted, given back once, and a second end is refused', async () => {
  const { pool } = setUp(1)
  const first = pool.submit(request('a'))
  const second = pool.submit(request('a'))
  const grant = await first.granted
  assert.equal(grant.engine.id, 'e')
  assert.equal(pool.waitingCount, 1)
  first.progress(5)
  first.finish(end(5))
  await second.granted
  assert.throws(() => first.finish(end(5)))
  second.finish(end(1))
  assert.equal(pool.running.size, 0)
})

test('an engine that goes leaves no places held for the next one of its name', () => {
  const { pool } = setUp(1)
  pool.hold('e', 2)
  pool.submit(request('a'))
  assert.equal(pool.running.size, 0)
  pool.removeEngine('e')
  pool.setEngine(engine('e'), profile(1), 'up', 'It answers.')
  assert.equal(pool.running.size, 1)
})

test('who waits longer than the limit is told so with a time to come back', async () => {
  const { pool, clock } = setUp(1)
  pool.submit(request('a'))
  const late = pool.submit(request('a', { waitMsMax: 1000 }))
  clock.advance(2000)
  await assert.rejects(late.granted, (error: unknown) => {
    return (
      refusal('wait_limit_exceeded')(error) && (error as GristmillError).retryAfterMs !== undefined
    )
  })
})

test('a full queue refuses at once', async () => {
  const { pool } = setUp(1)
  pool.submit(request('a'))
  pool.submit(request('a', { queueDepthMax: 1 }))
  await assert.rejects(
    pool.submit(request('a', { queueDepthMax: 1 })).granted,
    refusal('queue_full'),
  )
})

test('a model whose engines are gone is refused; a restart is waited for', async () => {
  const { pool, clock } = setUp(1)
  await assert.rejects(
    pool.submit(request('a', { model: 'x' })).granted,
    refusal('no_healthy_engine'),
  )
  pool.setEngine(engine('e'), profile(1), 'down', 'It refused the connection.')
  clock.advance(3000)
  const patient = pool.submit(request('a'))
  pool.setEngine(engine('e'), profile(1), 'up', 'It answers again.')
  await patient.granted
  pool.setEngine(engine('e'), profile(1), 'down', 'It refused the connection.')
  const lost = pool.submit(request('b'))
  clock.advance(20_000)
  await assert.rejects(lost.granted, refusal('no_healthy_engine'))
})

test('a request that its engine lost before answering keeps its place and is not charged twice', async () => {
  const { pool } = setUp(1)
  const first = pool.submit(request('a', { queueDepthMax: 1 }))
  await first.granted
  const second = pool.submit(request('a', { queueDepthMax: 1 }))
  const again = first.retry({ failure: 'broken' })
  await again.granted
  assert.equal(pool.waitingCount, 1)
  again.finish(end(1))
  await second.granted
  const counter = pool.scheduler.pools()[0]?.bands.interactive.root.children.get('a')?.counter
  assert.equal(counter, 10 + 2 + 10)
})

test('leaving the queue frees the place, and a grant cannot be cancelled', async () => {
  const { pool } = setUp(1)
  const first = pool.submit(request('a'))
  const second = pool.submit(request('a'))
  second.cancel(new GristmillError('shutting_down'))
  await assert.rejects(second.granted, refusal('shutting_down'))
  first.cancel(new GristmillError('shutting_down'))
  await first.granted
  assert.equal(pool.waitingCount, 0)
  assert.equal(pool.running.size, 1)
})

test('the queue says who waits, behind how many, and why', () => {
  const { pool, clock } = setUp(1)
  for (let i = 0; i < 3; i++) pool.submit(request('a'))
  pool.submit(request('b', { serviceClass: 'batch' }))
  const entries = queueOf(pool, clock, 'a', 10)
  assert.deepEqual(
    entries.map((e) => e.aheadOwn),
    [0, 1],
  )
  assert.equal(entries[1]?.reason, 'own_queue')
  assert.match(entries[0]?.why ?? '', /slots are busy|share is used/)
  assert.equal(queueOf(pool, clock, undefined, 10).length, 3)
})

test('a concurrency limit is named as the reason', () => {
  const { pool, clock } = setUp(4)
  for (let i = 0; i < 3; i++) pool.submit(request('a', { tenantConcurrencyMax: 1 }))
  assert.equal(queueOf(pool, clock, 'a', 10)[0]?.reason, 'concurrency_limit')
})

test('the floor shows slots, shares and first tokens', async () => {
  const { pool, clock } = setUp(2)
  const ticket = pool.submit(request('a'))
  await ticket.granted
  clock.advance(250)
  ticket.progress(3)
  const floor = floorOf(pool, clock)
  assert.equal(floor.engines[0]?.slots[0]?.outputTokens, 3)
  assert.equal(floor.tenants[0]?.ttftP50Ms, 250)
  assert.equal(floor.tenants[0]?.serviceUnits, 16)
  assert.equal(floor.utilisation.slotOccupancy, 0.5)
})

test('every minute leaves one capacity row an engine, with service and waste by tenant', async () => {
  const { pool, clock, rows } = setUp(2)
  const kept = pool.submit(request('a'))
  const lost = pool.submit(request('b'))
  await Promise.all([kept.granted, lost.granted])
  clock.advance(1000)
  kept.progress(10)
  kept.finish(end(10))
  lost.progress(4)
  lost.finish({ ...end(4), outcome: 'client_gone' })
  clock.advance(60_000)
  const row = rows.find((r) => r.tenants.length > 0)
  assert.ok(row)
  const total = rows.reduce((sum, r) => sum + r.registeredS, 0)
  assert.ok(Math.abs(total - 60) < 61 && row.upS <= row.registeredS)
  const byId = Object.fromEntries(row.tenants.map((t) => [t.tenantId, t]))
  assert.equal(byId.a?.interactiveUnits, 30)
  assert.deepEqual(byId.b?.waste, { client_gone: 18 })
  pool.close()
})

test('minutes have an engine by its health, and each change is told with its reason', async () => {
  const { pool, clock, rows, changes } = setUp(4)
  pool.setEngine(engine('peer'), profile(4), 'starting', 'It has not answered yet.')
  pool.setEngine(engine('peer'), profile(4), 'up', 'It answers.')
  for (const failure of ['broken', 'broken', 'status_503'] as const) {
    const ticket = pool.submit(request('a', { model: pinnedModel('e') }))
    await ticket.granted
    ticket.finish({ ...end(0), outcome: 'engine_failed', failure })
  }
  clock.advance(10_000)
  pool.setEngine(engine('e'), profile(4), 'draining', 'It finishes what runs.')
  clock.advance(20_000)
  pool.setEngine(engine('e'), profile(4), 'down', 'It does not answer.')
  clock.advance(60_000)
  pool.close()
  const told = changes.filter(({ engineId }) => engineId === 'e')
  assert.deepEqual(
    told.map(({ state, reason }) => [state, reason]),
    [
      ['up', 'It answers.'],
      ['degraded', '3 requests failed there within 10 s.'],
      ['draining', 'It finishes what runs.'],
      ['down', 'It does not answer.'],
    ],
  )
  assert.equal(changes.filter(({ engineId }) => engineId === 'peer').length, 1)
  const first = rows.find(({ engineId }) => engineId === 'e')
  assert.ok(first)
  const { upS, degradedS, drainingS, attempts, failures } = first
  const parts = { upS: 10, degradedS: 10, drainingS: 20, attempts: 3 }
  assert.deepEqual({ upS, degradedS, drainingS, attempts }, parts)
  assert.deepEqual(failures, { broken: 2, status_503: 1 })
})

test('the cap goes down while requests wait inside the engine, and the floor says why', () => {
  const { pool, clock } = setUp(4)
  pool.setEngine(engine('e'), { ...profile(4), tellsLoad: true }, 'up', 'It answers.')
  const capOf = () => floorOf(pool, clock).engines[0]
  assert.equal(capOf()?.cap, 4)
  for (let second = 0; second < 3; second++) {
    pool.noteLoad('e', { running: 4, waiting: 2, kvUsage: null, preemptions: null })
    clock.advance(1000)
  }
  assert.equal(capOf()?.cap, 3)
  assert.match(capOf()?.lastChange ?? '', /wait inside the engine/)
  assert.equal(pool.scheduler.engines()[0]?.cap, 3)
})

test('background work leaves a place free, and as many as people have needed at once', async () => {
  const { pool, clock } = setUp(4)
  const batch = Array.from({ length: 6 }, () =>
    pool.submit(request('night', { serviceClass: 'batch', waitMsMax: 1e9 })),
  )
  assert.equal(pool.running.size, 3)
  for (let i = 0; i < 5; i++) void pool.submit(request('people'))
  clock.advance(2000)
  const [floor] = floorOf(pool, clock).engines
  assert.equal(floor?.reserve, 4)
  assert.match(floor?.lastChange ?? '', /has needed 5 of 4 places/)
  for (const one of batch.slice(0, 3)) {
    await one.granted
    one.finish(end(1))
  }
  const running = [...pool.running.values()].map(({ request: { tenantId } }) => tenantId)
  assert.equal(running.includes('night'), false)
})

test('more than calibration found possible is no utilisation but a reason to calibrate', () => {
  const { pool, clock } = setUp(4)
  const ticket = pool.submit(request('a'))
  ticket.progress(500_000)
  ticket.finish(end(500_000))
  clock.advance(1000)
  const { value, voidReason } = floorOf(pool, clock).utilisation
  assert.equal(value, null)
  assert.match(voidReason ?? '', /calibrate/)
})

test('who waits for a named engine is told when it has been gone for longer than a restart', async () => {
  const { pool, clock } = setUp(1)
  const model = pinnedModel('e')
  for (const tenant of ['a', 'b']) pool.submit(request(tenant))
  const waiting = pool.submit(request('b', { model, waitMsMax: 300_000 }))
  pool.setEngine(engine('e'), profile(1), 'down', 'It does not answer.')
  clock.advance(5000)
  const later = pool.submit(request('b', { model, waitMsMax: 300_000 }))
  assert.deepEqual([waiting.state, later.state], ['waiting', 'waiting'])
  clock.advance(12_000)
  for (const { granted } of [waiting, later]) {
    await assert.rejects(granted, { code: 'no_healthy_engine' })
  }
  const atOnce = pool.submit(request('b', { model }))
  await assert.rejects(atOnce.granted, { code: 'no_healthy_engine' })
  pool.close()
})

test('a request whose named engine was removed is refused when it asks for another place', async () => {
  const { pool } = setUp()
  const ticket = pool.submit(request('a', { model: pinnedModel('e') }))
  pool.removeEngine('e')
  const again = ticket.retry({ model: pinnedModel('the name of it'), failure: 'broken' })
  assert.deepEqual([again.state, pool.waitingCount], ['ended', 0])
  await assert.rejects(again.granted, { code: 'no_healthy_engine' })
  pool.close()
})

test('a prompt is booked as read, and what was kept of it, where its length was known exactly', () => {
  const { pool, clock } = setUp()
  const ticket = pool.submit(request('a', { estimatedInputTokens: 10 }))
  ticket.finish({ ...end(3), inputTokens: 10, cachedTokens: 8 })
  assert.deepEqual(pool.engines.get('e')?.control.tokens, { input: 2, cached: 8, output: 3 })
  const { tokens, tenants } = floorOf(pool, clock)
  assert.equal(tokens.cachedShare, 0.8)
  assert.equal(tenants[0]?.serviceUnits, 8)
  const account = pool.scheduler.pools()[0]?.bands.interactive.root.children.get('a')
  assert.equal(account?.counter, 8)
})
