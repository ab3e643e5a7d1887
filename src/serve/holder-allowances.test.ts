import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { createLogger, FakeClock } from '../base/index.ts'
import { DaySpend } from '../gateway/index.ts'
import { HolderAllowances } from './holder-allowances.ts'

const logger = createLogger('silent', 'test')

/** A gateway that is told to schedule, and a ledger whose sums others change. */
function gateway() {
  const clock = new FakeClock()
  const spend = new DaySpend(clock)
  const seen = { booked: 0, isAway: false, isHolding: false, before: Promise.resolve() }
  const learn = async () => {
    await seen.before
    if (seen.isAway) throw new Error('the database is away')
    const rows = [{ tenantId: 'ten_1', model: 'open', spendNanos: seen.booked }]
    await spend.learn(
      async () => rows,
      (model) => model,
    )
  }
  const listeners: (() => void)[] = []
  const holding = {
    mayStart: () => seen.isHolding,
    onHolding(listener: () => void) {
      listeners.push(listener)
      return () => undefined
    },
  }
  const allowances = new HolderAllowances({ holding, allowances: spend, learn, clock, logger })
  const take = async () => {
    seen.isHolding = true
    for (const listener of listeners) listener()
    await setImmediate()
  }
  const reserve = (nanos: number) => allowances.reserve('ten_1', 'open', nanos, 100)
  return { clock, seen, take, reserve, allowances }
}

describe('allowances that several gateways share', () => {
  it('are spent by the gateway that schedules alone, from what others have booked on', async () => {
    const { seen, take, reserve } = gateway()
    assert.equal(reserve(1), null)
    seen.booked = 70
    await take()
    assert.equal(reserve(31), null)
    assert.ok(reserve(30))
  })

  it('count what was booked after the takeover too, and nothing twice', async () => {
    const { clock, seen, take, reserve, allowances } = gateway()
    await take()
    const own = reserve(40)
    assert.ok(own)
    allowances.settle(own, 40)
    seen.booked = 40
    clock.advance(10_000)
    await setImmediate()
    assert.ok(reserve(20), 'its own booking is not counted again')
    seen.booked = 90
    clock.advance(10_000)
    await setImmediate()
    assert.equal(reserve(20), null)
  })

  it('are not given before the ledger was read', async () => {
    const { clock, seen, take, reserve } = gateway()
    seen.isAway = true
    await take()
    assert.equal(reserve(1), null)
    seen.isAway = false
    clock.advance(10_000)
    await setImmediate()
    assert.ok(reserve(1))
  })

  it('are not given by what was read before another takeover', async () => {
    const { seen, take, reserve } = gateway()
    const slow = Promise.withResolvers<void>()
    seen.before = slow.promise
    await take()
    seen.before = new Promise(() => undefined)
    await take()
    slow.resolve()
    await setImmediate()
    assert.equal(reserve(1), null)
  })
})
