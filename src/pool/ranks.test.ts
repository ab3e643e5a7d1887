import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ServiceClass } from '../base/index.ts'
import { Scheduler } from './scheduler.ts'
import { defaultSchedulerConfig } from './scheduler-types.ts'

function scheduler(cap: number): Scheduler {
  const made = new Scheduler(defaultSchedulerConfig)
  made.setEngine({ id: 'e', models: ['m'], cap, express: 1, backgroundReserve: 0, spare: cap })
  return made
}

/** Ranks of so many tickets of a tenant that can run now. */
function ranksOf(s: Scheduler, tenantId: string, count: number, serviceClass: ServiceClass) {
  for (let i = 0; i < count; i++) {
    s.arrive({
      id: `${tenantId}-${serviceClass}-${i}`,
      model: 'm',
      tenantId,
      tenantWeight: 1,
      projectId: tenantId,
      projectWeight: 1,
      keyId: tenantId,
      userId: tenantId,
      serviceClass,
      estimatedInputTokens: 10,
      deadlineMs: 1e6,
      queueDepthMax: 1000,
      tenantConcurrencyMax: null,
      keyConcurrencyMax: null,
    })
  }
  const ranks: number[] = []
  for (let next = s.next(); next; next = s.next()) ranks.push(next.rank)
  return ranks
}

describe('ranks inside an engine', () => {
  it('are alike for tenants that ask for no more than others leave', () => {
    const s = scheduler(32)
    const busy = ranksOf(s, 'busy', 20, 'standard')
    const quiet = ranksOf(s, 'quiet', 2, 'standard')
    assert.deepEqual(new Set([...busy, ...quiet]).size, 1)
  })

  it('are worse for who asks for more than share and place, the more of his run', () => {
    const s = scheduler(8)
    const flood = ranksOf(s, 'flood', 20, 'standard')
    const [light] = ranksOf(s, 'light', 1, 'standard')
    assert.equal(flood.length, 8)
    assert.ok(flood.every((rank, i) => rank > (light ?? 99) && rank >= (flood[i - 1] ?? 0)))
    assert.ok((flood.at(-1) ?? 0) > (flood[0] ?? 0))
  })

  it('do not depend on batch work, which the places of people are not taken by', () => {
    const without = ranksOf(scheduler(32), 'busy', 20, 'standard')
    const s = scheduler(32)
    const batch = ranksOf(s, 'busy', 32, 'batch')
    assert.deepEqual(ranksOf(s, 'busy', 20, 'standard'), without)
    assert.ok(Math.min(...batch) > Math.max(...without))
  })

  it('put priority first, but not a flood of it', () => {
    const s = scheduler(8)
    const [standard = 0] = ranksOf(s, 'a', 1, 'standard')
    const flood = ranksOf(s, 'b', 20, 'priority')
    assert.ok((flood[0] ?? 0) < standard)
    assert.ok((flood.at(-1) ?? 0) > standard)
  })
})
