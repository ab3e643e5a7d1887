import assert from 'node:assert/strict'
import { it } from 'node:test'
import { defaultSchedulerConfig, Scheduler } from '../pool/index.ts'
import { arrival } from '../pool/test-world.ts'
import { CounterFeed, RememberedCounters } from './counter-feed.ts'

it('counters that the scheduler has forgotten are forgotten by those who may be next', () => {
  const scheduler = new Scheduler(defaultSchedulerConfig)
  const slots = { id: 'e', models: ['m'], cap: 1, express: 0, backgroundReserve: 0, spare: 0 }
  scheduler.setEngine(slots)
  const feed = new CounterFeed(scheduler)
  const remembered = new RememberedCounters()
  const counted = { buckets: [], running: {} }
  remembered.note({ isWhole: true, rows: feed.all(), ...counted })
  for (let i = 0; i < 3000; i++) {
    scheduler.arrive(arrival('t', { userId: `end user ${i}` }))
    const dispatch = scheduler.next()
    assert.ok(dispatch)
    scheduler.finish(dispatch.ticket)
    if (i % 100 === 0) remembered.note({ isWhole: false, ...feed.changed(), ...counted })
  }
  remembered.note({ isWhole: false, ...feed.changed(), ...counted })
  assert.ok(feed.all().length < 2000, 'it forgets some')
  assert.equal(remembered.rows.length, feed.all().length)
})
