import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { CapacityMinute } from '../meter/index.ts'
import { CapacityMeter } from './capacity-meter.ts'

const up = { health: 'up', isLoading: false, cap: 4, inFlight: 0, capacityUnitsPerS: 100 } as const

const partsOf = ({ freeS, drainedS, loadingS, downS, tenants }: CapacityMinute) =>
  freeS + drainedS + loadingS + downS + tenants.reduce((sum, { engineS }) => sum + engineS, 0)

describe("the time of an engine's minute", () => {
  it('is a cap-th for each place that is had, and the rest is free', () => {
    const meter = new CapacityMeter(0)
    meter.set('e', 0, up)
    meter.took('e', 'a', 0)
    meter.took('e', 'a', 20_000)
    meter.left('e', 'a', 40_000, undefined)
    const [row] = meter.take(60_000)
    assert.equal(row?.tenants[0]?.engineS, 20)
    assert.equal(row?.freeS, 40)
  })

  it('is less for each where more run than the cap', () => {
    const meter = new CapacityMeter(0)
    meter.set('e', 0, { ...up, cap: 1 })
    meter.took('e', 'a', 0)
    meter.took('e', 'b', 0)
    const [row] = meter.take(60_000)
    assert.deepEqual(
      row?.tenants.map(({ engineS }) => engineS),
      [30, 30],
    )
    assert.equal(row?.freeS, 0)
  })

  it("goes on in the next minute, and is nobody's while the engine cannot work", () => {
    const meter = new CapacityMeter(0)
    meter.set('e', 0, { ...up, health: 'down', isLoading: true })
    meter.set('e', 10_000, up)
    meter.took('e', 'a', 50_000)
    meter.take(60_000)
    meter.set('e', 80_000, { ...up, health: 'down', inFlight: 1 })
    const [row] = meter.take(120_000)
    assert.deepEqual([row?.tenants[0]?.engineS, row?.downS, row?.freeS], [5, 40, 15])
  })

  it('has no service below nothing: what was estimated too high is taken off what comes later', () => {
    const meter = new CapacityMeter(0)
    meter.set('e', 0, up)
    const units = (nowMs: number) =>
      meter
        .take(nowMs)
        .flatMap(({ tenants }) =>
          tenants.map(({ interactiveUnits, backgroundUnits }) => [
            interactiveUnits,
            backgroundUnits,
          ]),
        )
    meter.served('e', 'a', 'interactive', 600)
    meter.served('e', 'a', 'background', 5)
    assert.deepEqual(units(60_000), [[600, 5]])
    meter.served('e', 'a', 'interactive', -579)
    assert.deepEqual(units(120_000), [[0, 0]])
    assert.deepEqual(units(180_000), [[0, 0]])
    meter.served('e', 'a', 'interactive', 600)
    assert.deepEqual(units(240_000), [[21, 0]])
    assert.deepEqual(units(300_000), [])
  })

  it('is told minute by minute after the clock was set back', () => {
    const meter = new CapacityMeter(7_200_000)
    meter.set('e', 7_200_000, up)
    const taken = [7_230_000, 3_630_000, 3_640_000, 3_660_000, 3_720_000].flatMap((nowMs) =>
      meter.take(nowMs).map(({ minuteAtMs, registeredS }) => [minuteAtMs / 1000, registeredS]),
    )
    assert.deepEqual(taken, [
      [7200, 0],
      [3600, 30],
      [3660, 60],
    ])
  })

  it('is all accounted for, each part by its own measurement', () => {
    const events = fc.array(
      fc.record({
        afterMs: fc.integer({ min: 0, max: 50_000 }),
        what: fc.constantFrom('took', 'left', 'up', 'draining', 'down', 'write'),
        tenant: fc.constantFrom('a', 'b', 'c'),
        cap: fc.integer({ min: 1, max: 5 }),
      }),
    )
    fc.assert(
      fc.property(events, (list) => {
        const meter = new CapacityMeter(0)
        meter.set('e', 0, up)
        const rows: CapacityMinute[] = []
        const running: string[] = []
        let nowMs = 0
        for (const { afterMs, what, tenant, cap } of list) {
          nowMs += afterMs
          // The pool looks every second whether a minute has ended.
          if (afterMs > 0 || what === 'write') rows.push(...meter.take(nowMs))
          if (what === 'took') running.push(tenant)
          if (what === 'took') meter.took('e', tenant, nowMs)
          const leaving = what === 'left' ? running.shift() : undefined
          if (leaving !== undefined) meter.left('e', leaving, nowMs, undefined)
          if (what !== 'up' && what !== 'draining' && what !== 'down') continue
          meter.set('e', nowMs, { ...up, health: what, cap, inFlight: running.length })
        }
        rows.push(...meter.close(nowMs))
        for (const row of rows) assert.ok(Math.abs(partsOf(row) - row.registeredS) < 1e-6)
      }),
    )
  })
})
