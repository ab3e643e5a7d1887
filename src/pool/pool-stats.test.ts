import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PoolStats } from './pool-stats.ts'

const START_MS = 1_000_000

describe('the rate at which requests are started', () => {
  it('is told of a queue that has just formed, not thinned over the minute before', () => {
    const stats = new PoolStats()
    for (let i = 0; i < 20; i++) stats.tenant('a', START_MS).dispatches.add(START_MS + i * 100, 1)
    assert.equal(stats.dispatchRate(START_MS + 2000, 'a'), 10)
  })

  it('falls while nothing is started, and forgets after a minute', () => {
    const stats = new PoolStats()
    stats.dispatches.add(START_MS, 6)
    const rates = [1000, 5000, 30_000].map((laterMs) => stats.dispatchRate(START_MS + laterMs))
    assert.deepEqual(rates, [6, 1.2, 0.2])
    assert.equal(stats.dispatchRate(START_MS + 70_000), 0)
    assert.equal(stats.dispatchRate(START_MS, 'nobody'), 0)
  })
})
