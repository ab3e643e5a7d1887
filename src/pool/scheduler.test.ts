import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServiceClass } from '../base/index.ts'
import { Scheduler } from './scheduler.ts'
import { type Arrival, type Dispatch, defaultSchedulerConfig } from './scheduler-types.ts'
import { arrival } from './test-world.ts'

function scheduler(cap: number, express = 0, models = ['m']): Scheduler {
  const made = new Scheduler(defaultSchedulerConfig)
  made.setEngine({ id: 'e', models, cap, express, backgroundReserve: 0 })
  return made
}

function drain(s: Scheduler): (Dispatch & { tenant: string })[] {
  const out = []
  for (let d = s.next(); d; d = s.next()) {
    out.push({ ...d, tenant: d.ticket.arrival.tenantId })
  }
  return out
}

function offer(s: Scheduler, count: number, make: () => Arrival): Arrival[] {
  return Array.from({ length: count }, () => {
    const one = make()
    s.arrive(one)
    return one
  })
}

test('a request runs at once while the engine has room', () => {
  const s = scheduler(2)
  s.arrive(arrival('a'))
  assert.equal(drain(s).length, 1)
})

test('an engine never gets more than its cap plus express', () => {
  const s = scheduler(8, 1)
  offer(s, 30, () => arrival('flood'))
  assert.equal(drain(s).length, 8)
  offer(s, 5, () => arrival('light'))
  const extra = drain(s)
  assert.deepEqual(
    extra.map((d) => [d.tenant, d.express]),
    [['light', true]],
  )
})

test('express is not for a tenant that already fills its share', () => {
  const s = scheduler(4, 1)
  offer(s, 10, () => arrival('flood'))
  assert.equal(drain(s).length, 4)
  assert.equal(s.next(), undefined)
})

test('two floods share by weight', () => {
  const s = scheduler(1)
  offer(s, 200, () => arrival('one', { tenantWeight: 1 }))
  offer(s, 200, () => arrival('three', { tenantWeight: 3 }))
  const served = { one: 0, three: 0 }
  for (let i = 0; i < 120; i++) {
    const d = s.next()
    assert.ok(d)
    served[d.ticket.arrival.tenantId as 'one' | 'three']++
    s.progress(d.ticket, 20)
    s.finish(d.ticket)
  }
  assert.ok(Math.abs(served.three / served.one - 3) < 0.2, JSON.stringify(served))
})

test('idle time earns no credit', () => {
  const s = scheduler(1)
  offer(s, 100, () => arrival('busy'))
  for (let i = 0; i < 40; i++) {
    const d = s.next()
    assert.ok(d)
    s.progress(d.ticket, 50)
    s.finish(d.ticket)
  }
  offer(s, 100, () => arrival('late'))
  const order: string[] = []
  for (let i = 0; i < 20; i++) {
    const d = s.next()
    assert.ok(d)
    order.push(d.ticket.arrival.tenantId ?? '')
    s.progress(d.ticket, 50)
    s.finish(d.ticket)
  }
  const late = order.filter((t) => t === 'late').length
  assert.ok(late >= 9 && late <= 11, order.join(' '))
})

test('using an idle pool is not punished when others arrive', () => {
  const s = scheduler(4)
  const run = (tenant: string, outputTokens: number) => {
    s.arrive(arrival(tenant))
    const d = s.next()
    assert.ok(d)
    s.progress(d.ticket, outputTokens)
    s.finish(d.ticket)
  }
  for (let i = 0; i < 50; i++) {
    run('heavy', 1000)
    run('small', 1)
  }
  offer(s, 50, () => arrival('heavy'))
  offer(s, 50, () => arrival('small'))
  drain(s)
  const tenants: string[] = []
  for (let i = 0; i < 20; i++) {
    const running = [...s.runningTickets()][0]
    assert.ok(running)
    s.progress(running, 50)
    s.finish(running)
    tenants.push(...drain(s).map((d) => d.tenant))
  }
  assert.ok(tenants.filter((t) => t === 'heavy').length >= 7, tenants.join(' '))
})

test('inside a tenant, one project, and inside it one user, does not starve the others', () => {
  const s = scheduler(1)
  offer(s, 100, () => arrival('t', { projectId: 'script', userId: 'bot' }))
  offer(s, 50, () => arrival('t', { projectId: 'team', userId: 'ann' }))
  offer(s, 50, () => arrival('t', { projectId: 'team', userId: 'ben' }))
  const seen: Record<string, number> = {}
  for (let i = 0; i < 80; i++) {
    const d = s.next()
    assert.ok(d)
    const user = d.ticket.arrival.userId ?? ''
    seen[user] = (seen[user] ?? 0) + 1
    s.progress(d.ticket, 10)
    s.finish(d.ticket)
  }
  assert.ok(Math.abs((seen.bot ?? 0) - 40) <= 2, JSON.stringify(seen))
  assert.ok(Math.abs((seen.ann ?? 0) - 20) <= 2, JSON.stringify(seen))
})

test('background work runs only when nothing interactive waits, and does not raise that counter', () => {
  const s = scheduler(1)
  const order: ServiceClass[] = []
  offer(s, 3, () => arrival('a', { serviceClass: 'batch' }))
  offer(s, 3, () => arrival('a', { serviceClass: 'standard' }))
  offer(s, 3, () => arrival('a', { serviceClass: 'flex' }))
  for (let d = s.next(); d; d = s.next()) {
    order.push(d.ticket.arrival.serviceClass as ServiceClass)
    s.progress(d.ticket, 5)
    s.finish(d.ticket)
  }
  assert.deepEqual(order.slice(0, 3), ['standard', 'standard', 'standard'])
  assert.deepEqual([...order].sort(), [
    'batch',
    'batch',
    'batch',
    'flex',
    'flex',
    'flex',
    'standard',
    'standard',
    'standard',
  ])
  const interactive = s.pools()[0]?.bands.interactive.root.children.get('a')?.counter
  assert.equal(interactive, 3 * (10 + 2 * 5))
})

test('a flood in priority leaves a standard tenant nine tenths of its share', () => {
  const s = scheduler(4)
  const units = { flood: 0, standard: 0 }
  const refill = () => {
    offer(s, 8, () => arrival('flood', { serviceClass: 'priority' }))
    offer(s, 8, () => arrival('standard'))
  }
  refill()
  const running = drain(s)
  for (let i = 0; i < 4000; i++) {
    const d = running.shift()
    assert.ok(d)
    s.progress(d.ticket, 20)
    s.finish(d.ticket)
    units[d.tenant as 'flood' | 'standard'] += 50
    running.push(...drain(s))
    if (i % 4 === 0) refill()
  }
  assert.ok(units.standard / (units.flood + units.standard) >= 0.45, JSON.stringify(units))
})

test('within its share, priority passes the standard tickets of others', () => {
  const s = scheduler(1)
  offer(s, 20, () => arrival('a'))
  s.arrive(arrival('b', { serviceClass: 'priority' }))
  offer(s, 1, () => arrival('c'))
  assert.equal(drain(s)[0]?.tenant, 'b')
})

test('inside the last level the earlier deadline goes first, then the earlier arrival', () => {
  const s = scheduler(1)
  const late = arrival('a', { deadlineMs: 500_000 })
  const soon = arrival('a', { deadlineMs: 100_000 })
  const later = arrival('a', { deadlineMs: 500_000 })
  for (const a of [late, soon, later]) s.arrive(a)
  const ids: string[] = []
  for (let d = s.next(); d; d = s.next()) {
    ids.push(d.id)
    s.finish(d.ticket)
  }
  assert.deepEqual(ids, [soon.id, late.id, later.id])
})

test('a full queue refuses, and only that tenant', () => {
  const s = scheduler(0)
  offer(s, 3, () => arrival('a', { queueDepthMax: 3 }))
  assert.equal(s.arrive(arrival('a', { queueDepthMax: 3 })), 'queue_full')
  assert.notEqual(s.arrive(arrival('b', { queueDepthMax: 3 })), 'queue_full')
})

test('concurrency limits of tenant and key hold, and open again', () => {
  const s = scheduler(8)
  offer(s, 5, () => arrival('a', { tenantConcurrencyMax: 2 }))
  offer(s, 5, () => arrival('b', { keyConcurrencyMax: 1 }))
  const first = drain(s)
  assert.deepEqual(first.map((d) => d.tenant).sort(), ['a', 'a', 'b'])
  for (const d of first) s.finish(d.ticket)
  assert.deepEqual(
    drain(s)
      .map((d) => d.tenant)
      .sort(),
    ['a', 'a', 'b'],
  )
})

test('who waits too long leaves the queue once', () => {
  const s = scheduler(0)
  const a = arrival('a', { deadlineMs: 1000 })
  const queued = s.arrive(a)
  assert.ok(queued !== 'queue_full')
  assert.deepEqual(s.expire(900), [])
  assert.deepEqual(
    s.expire(1200).map((x) => x.id),
    [a.id],
  )
  assert.deepEqual(s.expire(2000), [])
  assert.equal(s.cancel(queued), false)
})

test('a light tenant has right of way over a flood inside the engine', () => {
  const s = scheduler(8, 1)
  offer(s, 20, () => arrival('flood'))
  const flood = drain(s)
  s.arrive(arrival('light'))
  const light = drain(s)[0]
  assert.ok(light)
  assert.ok(light.rank < Math.max(...flood.map((d) => d.rank)))
  const batch = scheduler(1)
  batch.arrive(arrival('a', { serviceClass: 'batch' }))
  assert.ok((drain(batch)[0]?.rank ?? 0) > light.rank)
})

test('models on different engines do not block each other', () => {
  const s = scheduler(1, 0, ['m'])
  s.setEngine({ id: 'f', models: ['n'], cap: 1, express: 0, backgroundReserve: 0 })
  offer(s, 3, () => arrival('a', { model: 'm' }))
  offer(s, 3, () => arrival('b', { model: 'n' }))
  assert.deepEqual(
    drain(s)
      .map((d) => d.tenant)
      .sort(),
    ['a', 'b'],
  )
})

test('when an engine joins two pools, what waits keeps its place in line', () => {
  const s = scheduler(0, 0, ['m'])
  s.setEngine({ id: 'f', models: ['n'], cap: 0, express: 0, backgroundReserve: 0 })
  const first = offer(s, 2, () => arrival('a', { model: 'm' }))
  offer(s, 2, () => arrival('b', { model: 'n' }))
  s.setEngine({ id: 'g', models: ['m', 'n'], cap: 4, express: 0, backgroundReserve: 0 })
  const out = drain(s)
  assert.equal(out.length, 4)
  assert.equal(s.pools().length, 1)
  assert.ok(
    out.findIndex((d) => d.id === first[0]?.id) < out.findIndex((d) => d.id === first[1]?.id),
  )
})

test('an engine that has gone leaves nothing, and what waits for its model still waits', () => {
  const s = scheduler(1, 0, ['m'])
  for (let i = 0; i < 20; i++) {
    const models = ['m', `only f${i}`]
    s.setEngine({ id: `f${i}`, models, cap: 1, express: 0, backgroundReserve: 0 })
    s.removeEngine(`f${i}`)
  }
  assert.deepEqual(
    s.pools().map(({ models }) => [...models]),
    [['m']],
  )
  offer(s, 2, () => arrival('a', { model: 'm' }))
  s.removeEngine('e')
  assert.deepEqual([s.pools().length, s.waiting], [1, 2])
  s.setEngine({ id: 'g', models: ['m'], cap: 2, express: 0, backgroundReserve: 0 })
  assert.equal(drain(s).length, 2)
})

test('first come, first served ignores tenants', () => {
  const s = new Scheduler({ ...defaultSchedulerConfig, order: 'fcfs' })
  s.setEngine({ id: 'e', models: ['m'], cap: 1, express: 1, backgroundReserve: 0 })
  const expected = [...offer(s, 5, () => arrival('a')), ...offer(s, 2, () => arrival('b'))]
  const ids: string[] = []
  for (let d = s.next(); d; d = s.next()) {
    ids.push(d.id)
    s.finish(d.ticket)
  }
  assert.deepEqual(
    ids,
    expected.map((a) => a.id),
  )
})

test('changing the order keeps everybody in line', () => {
  const s = scheduler(1)
  offer(s, 5, () => arrival('a'))
  s.setOrder('fcfs')
  offer(s, 2, () => arrival('b'))
  s.setOrder('fair')
  let served = 0
  for (let d = s.next(); d; d = s.next()) {
    served++
    s.finish(d.ticket)
  }
  assert.equal(served, 7)
  assert.equal(s.waiting, 0)
})

const batch = (tenantId = 'night') => arrival(tenantId, { serviceClass: 'batch' })

function withSpare(cap: number, spare: number): Scheduler {
  const s = scheduler(cap, 1)
  s.setEngine({ id: 'e', models: ['m'], cap, express: 1, backgroundReserve: 0, spare })
  return s
}

test('where background work can stand aside interactive work starts at once beside it', () => {
  const s = withSpare(4, 2)
  offer(s, 9, () => batch())
  assert.equal(drain(s).length, 4)
  offer(s, 5, () => arrival('a'))
  assert.equal(drain(s).length, 2)
  assert.equal(s.engines()[0]?.inFlight, 6)
})

test('background work takes no spare sequence, and comes back as interactive work leaves', () => {
  const s = withSpare(4, 2)
  offer(s, 9, () => batch())
  const night = drain(s)
  offer(s, 2, () => arrival('a'))
  const day = drain(s)
  assert.equal(day.length, 2)
  for (const { ticket } of night.slice(0, 2)) s.finish(ticket)
  assert.deepEqual(drain(s), [])
  for (const { ticket } of day) s.finish(ticket)
  assert.equal(drain(s).length, 2)
  assert.equal(s.engines()[0]?.background, 4)
})

test('interactive work alone never gets more than cap and express, however much is spare', () => {
  const s = withSpare(4, 4)
  offer(s, 20, () => arrival('a'))
  offer(s, 20, () => arrival('b'))
  assert.ok(drain(s).length <= 5)
})

test('tenants with nothing but batch work make nobody\u2019s interactive share smaller', () => {
  const rankOfThird = (nights: number) => {
    const s = withSpare(8, 8)
    for (let i = 0; i < nights; i++) s.arrive(batch(`night-${i}`))
    drain(s)
    offer(s, 3, () => arrival('day'))
    return drain(s).at(-1)?.rank
  }
  assert.equal(rankOfThird(6), rankOfThird(0))
})

test('batch work in idle places costs its tenant no interactive rank inside the engine', () => {
  const s = withSpare(8, 4)
  offer(s, 8, () => batch('busy'))
  drain(s)
  s.arrive(arrival('busy'))
  s.arrive(arrival('quiet'))
  const ranks = drain(s).map(({ rank }) => rank)
  assert.equal(ranks.length, 2)
  assert.equal(ranks[0], ranks[1])
})
