import assert from 'node:assert/strict'
import { it } from 'node:test'
import { type Arrival, defaultSchedulerConfig, Scheduler } from '../pool/index.ts'
import { CounterFeed, RememberedCounters } from './counter-feed.ts'

const by = (userId: string): Arrival => ({
  id: userId,
  model: 'm',
  tenantId: 't',
  tenantWeight: 1,
  projectId: 'p',
  projectWeight: 1,
  keyId: 'k',
  userId,
  serviceClass: 'standard',
  estimatedInputTokens: 10,
  deadlineMs: 1_000_000,
  queueDepthMax: 10,
  tenantConcurrencyMax: null,
  keyConcurrencyMax: null,
})

it('counters that the scheduler has forgotten are forgotten by those who may be next', () => {
  const scheduler = new Scheduler(defaultSchedulerConfig)
  const slots = { id: 'e', models: ['m'], cap: 1, express: 0, backgroundReserve: 0, spare: 0 }
  scheduler.setEngine(slots)
  const feed = new CounterFeed(scheduler)
  const remembered = new RememberedCounters()
  const counted = { buckets: [], running: {} }
  remembered.note({ isWhole: true, rows: feed.all(), ...counted })
  for (let i = 0; i < 3000; i++) {
    scheduler.arrive(by(`end user ${i}`))
    const dispatch = scheduler.next()
    assert.ok(dispatch)
    scheduler.finish(dispatch.ticket)
    if (i % 100 === 0) remembered.note({ isWhole: false, ...feed.changed(), ...counted })
  }
  remembered.note({ isWhole: false, ...feed.changed(), ...counted })
  assert.ok(feed.all().length < 2000, 'it forgets some')
  assert.equal(remembered.rows.length, feed.all().length)
})
