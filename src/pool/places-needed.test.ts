import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PlacesNeeded } from './places-needed.ts'
import { Scheduler } from './scheduler.ts'
import { type Arrival, defaultSchedulerConfig } from './scheduler-types.ts'
import type { TicketState } from './ticket-state.ts'

/** So many come at once and go again. */
function burst(needed: PlacesNeeded, size: number): void {
  const tickets = Array.from({ length: size }, () => ({ isCounted: false }))
  for (const ticket of tickets) needed.enter(ticket)
  for (const ticket of tickets) needed.leave(ticket)
}

test('as many as ran and waited together, however short that was', () => {
  const needed = new PlacesNeeded()
  assert.equal(needed.places(0), 0)
  burst(needed, 5)
  assert.equal(needed.places(1000), 5)
  burst(needed, 3)
  assert.equal(needed.places(2000), 5)
})

test('all but a hundredth of the arrivals of five minutes needed no more', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 200 })
  fc.assert(
    fc.property(sizes, (bursts) => {
      const needed = new PlacesNeeded()
      const arrivals: number[] = []
      bursts.forEach((size, i) => {
        needed.places(1000 * i)
        burst(needed, size)
        for (let place = 1; place <= size; place++) arrivals.push(place)
      })
      const places = needed.places(1000 * bursts.length)
      const share = (most: number) => arrivals.filter((one) => one > most).length / arrivals.length
      assert.ok(share(places) <= 0.01)
      assert.ok(places === 0 || share(places - 1) > 0.01, 'one less would have been enough')
    }),
  )
})

test('what was needed is forgotten after five minutes, not before', () => {
  const needed = new PlacesNeeded()
  burst(needed, 7)
  for (let second = 1; second < 290; second++) assert.equal(needed.places(1000 * second), 7)
  assert.equal(needed.places(311_000), 0)
  burst(needed, 2)
  assert.equal(needed.places(312_000), 2)
})

let count = 0
const arrival = (change: Partial<Arrival> = {}): Arrival => ({
  id: `${count++}`,
  model: 'm',
  tenantId: 'people',
  tenantWeight: 1,
  projectId: 'p',
  projectWeight: 1,
  keyId: 'k',
  userId: 'u',
  serviceClass: 'standard',
  estimatedInputTokens: 1,
  deadlineMs: 1e9,
  queueDepthMax: 100,
  tenantConcurrencyMax: null,
  keyConcurrencyMax: null,
  ...change,
})
const batch = () => arrival({ tenantId: 'batch', keyId: 'b', serviceClass: 'batch' })

function poolOf(cap: number, backgroundReserve: number) {
  const scheduler = new Scheduler(defaultSchedulerConfig)
  scheduler.setEngine({ id: 'e', models: ['m'], cap, express: 0, backgroundReserve })
  const running: TicketState[] = []
  const pump = () => {
    for (let d = scheduler.next(); d; d = scheduler.next()) running.push(d.ticket)
  }
  const places = () => scheduler.pools()[0]?.needed.places(0)
  return { scheduler, running, pump, places }
}

test('those that a limit holds back need no place, and batch work counts for nothing', () => {
  const { scheduler, pump, places } = poolOf(8, 0)
  for (let i = 0; i < 6; i++) {
    scheduler.arrive(arrival({ tenantConcurrencyMax: 2 }))
    scheduler.arrive(batch())
    pump()
  }
  assert.equal(places(), 2)
})

test('those that wait for a place count, once each', () => {
  const { scheduler, running, pump, places } = poolOf(2, 0)
  for (let i = 0; i < 6; i++) scheduler.arrive(arrival())
  pump()
  assert.equal(places(), 6)
  for (const ticket of running.splice(0)) scheduler.finish(ticket)
  pump()
  scheduler.arrive(arrival())
  assert.equal(places(), 6)
})

test('people who need no more than is reserved never wait, whatever batch work does', () => {
  const events = fc.array(fc.constantFrom('person', 'batch', 'end'), { maxLength: 200 })
  const sizes = fc
    .integer({ min: 2, max: 12 })
    .chain((cap) => fc.record({ cap: fc.constant(cap), reserve: fc.integer({ min: 1, max: cap }) }))
  fc.assert(
    fc.property(sizes, events, fc.nat(1000), ({ cap, reserve }, happening, seed) => {
      const { scheduler, running, pump } = poolOf(cap, reserve)
      const isPerson = ({ arrival: { serviceClass } }: TicketState) => serviceClass === 'standard'
      for (const [i, event] of happening.entries()) {
        if (event === 'batch') scheduler.arrive(batch())
        // A line that an idle engine took counts for one where everything is reserved.
        const most = Math.min(reserve, cap - 1)
        if (event === 'person' && running.filter(isPerson).length < most) {
          scheduler.arrive(arrival())
        }
        const [done] = running.splice((seed * (i + 1)) % Math.max(1, running.length), 1)
        if (event === 'end' && done) scheduler.finish(done)
        else if (done) running.push(done)
        pump()
        const waiting = [...scheduler.waitingTickets()]
        assert.ok(!waiting.some(isPerson))
        const lines = running.filter((ticket) => !isPerson(ticket)).length
        assert.ok(lines <= Math.max(1, cap - reserve))
        assert.ok(waiting.length === 0 || running.length > 0, 'an idle engine takes a line')
      }
    }),
  )
})
