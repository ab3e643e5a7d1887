/** Which ends of requests say something of their engine, and what. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pinnedModel } from './engine-places.ts'
import { end, engine, profile, request, setUp } from './test-pool.ts'
import type { TicketEnd, TicketRequest } from './types.ts'

test('a request whose end opens the circuit of its engine leaves the minute once', async () => {
  const { clock, pool, rows } = setUp()
  pool.setEngine(engine('peer'), profile(2), 'up', 'It answers.')
  for (let i = 0; i < 3; i++) {
    const ticket = pool.submit(request('a', { model: pinnedModel('e') }))
    await ticket.granted
    clock.advance(100)
    const failed = { ...end(0), outcome: 'engine_failed' as const, failure: 'status_500' as const }
    ticket.finish(failed)
  }
  assert.equal(pool.health.of('e').state, 'open')
  clock.advance(60_000)
  const slotS = rows.filter(({ engineId }) => engineId === 'e').map((row) => row.slotS)
  assert.ok(slotS.length > 0 && slotS.every((one) => one >= 0 && one < 1), slotS.join(', '))
  pool.close()
})

test('an engine at work on a whole answer is not taken for silent, one that streams none is', async () => {
  const { clock, pool, changes } = setUp()
  const whole = pool.submit(request('a', { comesWhole: true }))
  await whole.granted
  clock.advance(60_000)
  assert.equal(pool.health.of('e').state, 'closed')
  const streamed = pool.submit(request('a'))
  await streamed.granted
  clock.advance(1000)
  assert.equal(pool.health.of('e').state, 'closed', 'it has only begun')
  clock.advance(3000)
  assert.match(changes.at(-1)?.reason ?? '', /^It has been silent for/)
  pool.close()
})

/** Ends that leave no token. */
const nothing = (outcome: TicketEnd['outcome'], change: Partial<TicketEnd> = {}): TicketEnd => ({
  inputTokens: 0,
  cachedTokens: 0,
  outputTokens: 0,
  outcome,
  ...change,
})

/** Requests at an engine that soon says nothing: each is given up while others are there. */
async function giveUp(everyMs: number, change: Partial<TicketRequest>) {
  const world = setUp(8)
  const { clock, pool } = world
  for (let i = 0; i < 3; i++) {
    const taught = pool.submit(request('a', { comesWhole: true }))
    await taught.granted
    clock.advance(1000)
    taught.finish(end(100))
  }
  const submit = async () => {
    const ticket = pool.submit(request('a', change))
    await ticket.granted
    return ticket
  }
  const running = [await submit(), await submit(), await submit(), await submit()]
  for (let i = 0; i < 20; i++) {
    running.push(await submit())
    clock.advance(everyMs)
    running.shift()?.finish(i < 3 ? end(1) : nothing('client_gone'))
  }
  pool.close()
  return world.changes.map(({ reason }) => reason)
}

test('a client that leaves is no sign of life', async () => {
  const reasons = await giveUp(700, {})
  assert.match(reasons[1] ?? '', /^It has been silent for/)
})

test('an engine that answers nobody is found out by clients that wait for less than is bearable', async () => {
  const asked = { comesWhole: true, outputTokensMax: 2000 }
  const reasons = await giveUp(15_000, asked)
  assert.match(reasons[1] ?? '', /^It has been silent for/)
  const typing = await giveUp(200, { ...asked, outputTokensMax: 20 })
  assert.deepEqual(typing, ['It answers.'], 'who changes their mind says nothing of it')
})

test('a whole answer is due by what calibration found, while nothing else is known', async () => {
  const { clock, pool, changes } = setUp()
  pool.setEngine(engine('e'), { ...profile(2), tokenGapMs: 20 }, 'up', 'It answers.')
  const ticket = pool.submit(request('a', { comesWhole: true, outputTokensMax: 100 }))
  await ticket.granted
  clock.advance(8000)
  assert.equal(pool.health.of('e').state, 'closed')
  clock.advance(4000)
  assert.match(changes.at(-1)?.reason ?? '', /^It has been silent for/)
  pool.close()
})

test('what embeds is due once it has been read', async () => {
  const { clock, pool, changes } = setUp()
  const ticket = pool.submit(request('a', { comesWhole: true, outputTokensMax: 0 }))
  await ticket.granted
  clock.advance(10_000)
  assert.match(changes.at(-1)?.reason ?? '', /^It has been silent for/)
  pool.close()
})

test('an answer of failure counts as one though nobody tries again', async () => {
  const { clock, pool } = setUp()
  for (let i = 0; i < 3; i++) {
    const ticket = pool.submit(request('a'))
    await ticket.granted
    clock.advance(100)
    ticket.finish(nothing('late', { failure: 'status_500' }))
  }
  assert.equal(pool.health.of('e').state, 'open')
  pool.close()
})

test('what ends without a word of its engine does not make that well', async () => {
  const { clock, pool } = setUp()
  pool.setEngine(engine('peer'), profile(2), 'up', 'It answers.')
  const run = async (how: TicketEnd) => {
    const ticket = pool.submit(request('a', { model: pinnedModel('e') }))
    await ticket.granted
    clock.advance(100)
    ticket.finish(how)
  }
  for (let i = 0; i < 3; i++) await run(nothing('engine_failed'))
  assert.equal(pool.health.of('e').state, 'open')
  clock.advance(2000)
  for (let i = 0; i < 3; i++) await run(nothing('late'))
  assert.equal(pool.health.of('e').state, 'half-open')
  for (let i = 0; i < 2; i++) await run(end(1))
  assert.equal(pool.health.of('e').state, 'closed')
  pool.close()
})

test('answers that were begun under another scheduler say nothing of the pace', () => {
  const { clock, pool } = setUp(8)
  pool.setEngine(engine('peer'), profile(8), 'up', 'It answers.')
  const running = { engineId: 'e', inputTokens: 10, cachedTokens: 0 }
  for (let i = 0; i < 4; i++) {
    const streamed = pool.adopt(request('a'), { ...running, outputTokens: 500 })
    const whole = pool.adopt(request('a', { comesWhole: true }), { ...running, outputTokens: 0 })
    clock.advance(100)
    streamed.finish(end(502))
    whole.finish(end(500))
  }
  pool.submit(request('a', { comesWhole: true, model: pinnedModel('e'), outputTokensMax: 500 }))
  clock.advance(20_000)
  assert.equal(pool.health.of('e').state, 'closed', pool.health.of('e').reason)
  pool.close()
})
