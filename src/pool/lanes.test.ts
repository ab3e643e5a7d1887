import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Scheduler } from './scheduler.ts'
import { type Arrival, defaultSchedulerConfig } from './scheduler-types.ts'
import type { TicketState } from './ticket-state.ts'
import { type Lined, WaitingLine } from './waiting-line.ts'

let serial = 0

function scheduler(cap: number): Scheduler {
  const made = new Scheduler(defaultSchedulerConfig)
  made.setEngine({ id: 'e', models: ['m', 'n'], cap, express: 0, backgroundReserve: 0 })
  return made
}

function ask(s: Scheduler, change: Partial<Arrival> = {}): TicketState {
  const ticket = s.arrive({
    id: `l${serial++}`,
    model: 'm',
    tenantId: 't',
    tenantWeight: 1,
    projectId: 'p',
    projectWeight: 1,
    keyId: 'k',
    userId: 'u',
    serviceClass: 'standard',
    estimatedInputTokens: 10,
    deadlineMs: 1e9,
    queueDepthMax: 1e6,
    tenantConcurrencyMax: null,
    keyConcurrencyMax: null,
    ...change,
  })
  assert.ok(ticket !== 'queue_full')
  return ticket
}

test('requests of the same kind share a lane, others have their own', () => {
  const s = scheduler(0)
  const first = ask(s)
  assert.equal(ask(s).lane, first.lane)
  const others: Partial<Arrival>[] = [
    { userId: 'v' },
    { keyId: 'l' },
    { projectId: 'q' },
    { model: 'n' },
    { serviceClass: 'priority' },
    { tenantId: 'other' },
  ]
  for (const change of others) assert.notEqual(ask(s, change).lane, first.lane)
  assert.equal(ask(s).lane, first.lane)
})

test('a user whose account was forgotten comes back to one that the tree knows', () => {
  const s = scheduler(1)
  ask(s, { userId: 'runs on' })
  assert.ok(s.next())
  const before = ask(s, { userId: 'once' })
  s.cancel(before)
  // A project forgets its idle users as it meets the thousandth, one by one.
  for (let i = 0; !before.place.forgotten && i < 5000; i++) {
    const other = ask(s, { userId: `u${i}` })
    s.cancel(other)
  }
  assert.ok(before.place.forgotten)
  const again = ask(s, { userId: 'once' })
  assert.notEqual(again.account, before.account)
  assert.equal(again.account.parent?.children.get('once'), again.account)
})

test('a weight that changes holds from the next request on, also in a lane used before', () => {
  const s = scheduler(0)
  const lane = ask(s, { projectWeight: 1 }).lane
  ask(s, { projectWeight: 1, userId: 'v' })
  ask(s, { projectWeight: 5 })
  assert.equal(lane.place.account.parent?.weight, 5)
  ask(s, { projectWeight: 1 })
  assert.equal(lane.place.account.parent?.weight, 1)
  ask(s, { tenantWeight: 7 })
  assert.equal(lane.place.account.parent?.parent?.weight, 7)
})

test('a ticket that has run or left cannot leave the queue again', () => {
  const s = scheduler(1)
  const runs = ask(s)
  const waits = ask(s)
  assert.equal(s.next()?.id, runs.arrival.id)
  assert.equal(s.cancel(runs), false)
  assert.equal(s.cancel(waits), true)
  assert.equal(s.cancel(waits), false)
  s.finish(runs)
  assert.equal(s.cancel(runs), false)
  assert.equal(s.waiting, 0)
})

interface Member extends Lined {
  order: number
}

test('the line keeps the order of arrival, whoever leaves it', () => {
  const steps = fc.array(fc.option(fc.nat(1000)), { maxLength: 200 })
  fc.assert(
    fc.property(steps, (list) => {
      const line = new WaitingLine<Member>()
      const plain: Member[] = []
      for (const [order, leaver] of list.entries()) {
        if (leaver === null || plain.length === 0) {
          const member = { order, number: -1 }
          line.push(member)
          plain.push(member)
        } else {
          const [gone] = plain.splice(leaver % plain.length, 1)
          if (gone) line.remove(gone)
        }
        assert.deepEqual(
          [...line.items()].map((member) => member.order),
          plain.map((member) => member.order),
        )
      }
    }),
  )
})
