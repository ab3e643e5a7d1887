import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServiceClass } from '../base/index.ts'
import { Scheduler } from './scheduler.ts'
import { defaultSchedulerConfig } from './scheduler-types.ts'

let serial = 0

/** Two engines; batch work stands aside on as many sequences as there are places. */
function pair(spare: number, cap = 4): Scheduler {
  const made = new Scheduler(defaultSchedulerConfig)
  for (const id of ['one', 'two']) {
    made.setEngine({ id, models: ['m'], cap, express: 1, backgroundReserve: 0, spare })
  }
  return made
}

function ask(s: Scheduler, inputTokens = 10, serviceClass: ServiceClass = 'standard') {
  const id = `t${serial++}`
  s.arrive({
    id,
    model: 'm',
    tenantId: serviceClass,
    tenantWeight: 1,
    projectId: 'p',
    projectWeight: 1,
    keyId: 'k',
    userId: 'u',
    serviceClass,
    estimatedInputTokens: inputTokens,
    deadlineMs: 1_000_000,
    queueDepthMax: 1000,
    tenantConcurrencyMax: null,
    keyConcurrencyMax: null,
  })
  const given = s.next()
  assert.equal(given?.id, id)
  return given
}

test('a request goes where fewer prompt tokens are still to be read', () => {
  const s = pair(0)
  const long = ask(s, 5000)
  const short = ask(s, 10)
  assert.notEqual(short.engineId, long.engineId)
  assert.equal(ask(s, 10).engineId, short.engineId)
  assert.equal(ask(s, 10).engineId, short.engineId)
})

test('a few streams more are not shunned as much as a prompt that is still to be read', () => {
  const s = pair(0)
  const all = Array.from({ length: 6 }, () => ask(s))
  for (const { ticket } of all) s.promptRead(ticket, 10)
  for (const { ticket, engineId } of all) if (engineId === 'two') s.finish(ticket)
  // Three streams on the one, and from now on a prompt on the other.
  assert.equal(ask(s, 60).engineId, 'two')
  assert.equal(ask(s).engineId, 'one')
})

test('a prompt that has been read, or is over, is in nobody\u2019s way any more', () => {
  for (const end of ['promptRead', 'progress', 'finish'] as const) {
    const s = pair(0)
    const long = ask(s, 5000)
    const short = ask(s, 100)
    if (end === 'finish') s.finish(long.ticket)
    else s[end](long.ticket, 1)
    assert.equal(ask(s).engineId, long.engineId, end)
    assert.notEqual(short.engineId, long.engineId)
  }
})

test('where batch work stands aside it does not draw people to the engine with less of it', () => {
  const s = pair(4)
  const lines = Array.from({ length: 8 }, () => ask(s, 3000, 'batch'))
  const person = ask(s, 50)
  const line = lines.find(({ engineId }) => engineId === person.engineId)
  // That engine now has less in flight, but it is the one with a person on it.
  assert.ok(line)
  s.finish(line.ticket)
  assert.notEqual(ask(s, 50).engineId, person.engineId)
})

test('where nothing stands aside, work of any class counts', () => {
  const s = pair(0)
  const lines = [ask(s, 3000, 'batch'), ask(s, 10, 'batch')]
  assert.equal(ask(s, 50).engineId, lines[1]?.engineId)
})

test('batch work goes where least is to be read of anybody\u2019s', () => {
  const s = pair(4)
  const person = ask(s, 3000)
  assert.notEqual(ask(s, 50, 'batch').engineId, person.engineId)
})

test('an engine all of whose places are held by others still has its express ones', () => {
  const s = new Scheduler(defaultSchedulerConfig)
  const rest = { models: ['m'], backgroundReserve: 0 }
  s.setEngine({ id: 'full', cap: 4, express: 0, ...rest })
  s.setEngine({ id: 'held', cap: 0, express: 2, ...rest })
  for (let i = 0; i < 4; i++) assert.equal(ask(s).engineId, 'full')
  assert.equal(ask(s, 10, 'priority').engineId, 'held')
  assert.equal(ask(s, 10, 'priority').engineId, 'held')
})
