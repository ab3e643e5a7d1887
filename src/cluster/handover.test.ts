import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { GristmillError } from '../base/index.ts'
import { countersOf, type RateAsk } from '../pool/index.ts'
import { GRANT_MS_MAX } from './cluster-pool.ts'
import { END, opened, request, settle, stateOf, states, World } from './test-world.ts'

describe('a change of the gateway that schedules', () => {
  it('keeps what runs, and starts what waits in the order in which it came', async () => {
    const world = new World()
    const [a, b] = [world.gateway(), world.gateway()]
    const first = world.holder()
    first.join('a', a)
    first.join('b', b)
    await opened(first)
    const running = [a.submit(request('x')), b.submit(request('x'))]
    await settle(world.clock, 10)
    const early = b.submit(request('x'))
    await settle(world.clock, 10)
    const late = a.submit(request('x'))
    await settle(world.clock)
    assert.deepEqual(await states([...running, early, late]), ['runs', 'runs', 'waits', 'waits'])

    first.desk.close()
    a.detach()
    b.detach()
    world.engineRuns = 2
    const second = world.holder(['b'])
    second.join('a', a)
    await settle(world.clock, 500)
    assert.equal(second.desk.isOpen, false, 'it waits for what b has')
    second.join('b', b)
    await opened(second)
    assert.deepEqual(second.opened, { running: 2, waiting: 2, held: 0 })
    assert.deepEqual(await states([early, late]), ['waits', 'waits'])
    running[0]?.finish(END)
    await settle(world.clock)
    assert.deepEqual(await states([early, late]), ['runs', 'waits'])
    running[1]?.finish(END)
    await settle(world.clock)
    assert.equal(await stateOf(late), 'runs')
  })

  it('leaves places empty for what a lost gateway may still run, until the engine says', async () => {
    const world = new World()
    const [a, b] = [world.gateway(), world.gateway()]
    const first = world.holder()
    first.join('a', a)
    await opened(first)
    await states([a.submit(request('x')), a.submit(request('x'))])

    // The gateway that scheduled is gone with two requests, which the engine still runs.
    first.desk.close()
    world.engineRuns = 2
    const second = world.holder()
    second.join('b', b)
    await opened(second)
    assert.equal(second.opened?.held, 2)
    const waiting = b.submit(request('y'))
    await settle(world.clock, 3000)
    assert.equal(await stateOf(waiting), 'waits')
    world.engineRuns = 1
    for (let i = 0; i < 4; i++) await settle(world.clock, 250)
    assert.equal(await stateOf(waiting), 'runs')
  })

  it('goes by what the holder before told where an engine does not say', async () => {
    const world = new World()
    world.engineRuns = null
    const [a, b] = [world.gateway(), world.gateway()]
    const first = world.holder()
    first.join('a', a)
    first.join('b', b)
    await opened(first)
    const lost = a.submit(request('x'))
    const kept = b.submit(request('x'))
    await states([lost, kept])
    await settle(world.clock, 1000)
    first.desk.close()
    b.detach()
    const second = world.holder()
    second.join('b', b)
    await opened(second)
    assert.deepEqual(second.opened, { running: 1, waiting: 0, held: 1 })
  })

  it('does not wait for ever for a gateway that lives and cannot reach it', async () => {
    const world = new World()
    world.engineRuns = null
    const [a, b] = [world.gateway(), world.gateway()]
    const first = world.holder()
    first.join('a', a)
    first.join('b', b)
    await opened(first)
    await states([a.submit(request('x')), b.submit(request('x'))])
    await settle(world.clock, 1000)
    first.desk.close()
    a.detach()
    b.detach()
    const second = world.holder(['a'])
    second.join('b', b)
    for (let i = 0; i < 11; i++) {
      await settle(world.clock, 250)
      second.desk.alive(new Set(['a', 'b']))
    }
    assert.equal(second.desk.isOpen, false)
    await settle(world.clock, 250)
    await opened(second)
    assert.deepEqual(second.opened, { running: 1, waiting: 0, held: 1 })
    second.join('a', a)
    assert.equal(second.desk.heldPlaces, 0, 'it tells of what it runs once it gets there')
    assert.equal(second.pool.running.size, 2)
  })

  it('starts nothing for those that have left while requests were counted', async () => {
    const world = new World()
    const a = world.gateway()
    const holder = world.holder(['b'])
    holder.join('a', a)
    const gone = a.submit(request('x'))
    const stays = a.submit(request('x'))
    gone.cancel(new GristmillError('shutting_down'))
    holder.join('b', world.gateway())
    await opened(holder)
    assert.equal(await stateOf(stays), 'runs')
    assert.deepEqual([holder.pool.running.size, holder.pool.waitingCount], [1, 0])
  })

  it('remembers what tenants have received', async () => {
    const world = new World()
    const b = world.gateway()
    const first = world.holder()
    first.join('b', b)
    await opened(first)
    const heavy = b.submit(request('heavy'))
    b.submit(request('light'))
    const more = b.submit(request('heavy'))
    await settle(world.clock, 10)
    const light = b.submit(request('light'))
    assert.deepEqual(await states([heavy, more, light]), ['runs', 'waits', 'waits'])
    heavy.progress(100)
    await settle(world.clock, 1000)
    first.desk.close()
    b.detach()
    world.engineRuns = 2
    const second = world.holder()
    second.join('b', b)
    await opened(second)
    heavy.finish(END)
    await settle(world.clock)
    assert.deepEqual(await states([more, light]), ['waits', 'runs'])
  })

  it('refuses grants of an earlier holder, and such as took too long', async () => {
    const world = new World()
    const a = world.gateway()
    const first = world.holder()
    first.join('a', a)
    await opened(first)
    assert.equal(await stateOf(a.submit(request('x'))), 'runs')
    const received = () => countersOf(first.pool.scheduler).map(({ counter }) => counter)
    const before = received()
    a.fence.saw(2)
    const stale = a.submit(request('x'))
    assert.equal(await stateOf(stale), 'waits')
    assert.equal(first.pool.running.size, 1, 'the place went back')
    assert.deepEqual(received(), before, 'and what its prompt would have cost')
    for (let i = 0; i < 3; i++) await settle(world.clock, 250)
    assert.deepEqual(received(), before)

    const slow = world.gateway()
    const second = world.holder()
    second.join('slow', slow, GRANT_MS_MAX + 1)
    await opened(second)
    assert.equal(await stateOf(slow.submit(request('x'))), 'waits')
  })

  it('takes requests back that a gateway has after its connection was lost', async () => {
    const world = new World()
    const [a, b] = [world.gateway(), world.gateway()]
    const holder = world.holder()
    const lose = holder.join('a', a)
    holder.join('b', b)
    await opened(holder)
    const running = [a.submit(request('x')), a.submit(request('x'))]
    const waiting = a.submit(request('x'))
    await states(running)
    lose()
    assert.equal(holder.desk.heldPlaces, 2)
    assert.equal(await stateOf(b.submit(request('y'))), 'waits')
    holder.join('a', a)
    await settle(world.clock)
    assert.equal(holder.desk.heldPlaces, 0)
    assert.equal(holder.pool.running.size, 2)
    assert.equal(holder.pool.waitingCount, 2)
    assert.equal(await stateOf(waiting), 'waits')
  })
})

it('a holder heeds nothing more of a connection that was given up', async () => {
  const holder = new World().holder()
  const seat = holder.desk.seat('a', () => undefined)
  seat.handle(['ready'])
  await opened(holder)
  holder.desk.left(seat)
  const bounds = { waitMsMax: null, queueDepthMax: null }
  seat.handle(['run', 1, { request: request('x'), ...bounds, ageMs: 0, engineId: 'e' }])
  assert.equal(holder.pool.running.size, 0)
})

describe('a gateway that nobody schedules for', () => {
  it('lets requests wait for a takeover, and refuses them after that', async () => {
    const world = new World()
    const a = world.gateway()
    const early = a.submit(request('x'))
    await settle(world.clock, 5000)
    a.tick()
    assert.equal(await stateOf(early), 'waits')
    await settle(world.clock, 1001)
    a.tick()
    assert.equal(await stateOf(early), 'no_scheduler')
    const error = await a.submit(request('x')).granted.catch((thrown: unknown) => thrown)
    assert.ok(error instanceof GristmillError && error.status === 503 && error.retryAfterMs)
  })
})

describe('tokens per minute', () => {
  it('hold over all gateways together', async () => {
    const world = new World()
    const [a, b] = [world.gateway(), world.gateway()]
    const holder = world.holder()
    holder.join('a', a)
    holder.join('b', b)
    await opened(holder)
    const rates = (id: number): RateAsk => ({
      id,
      limits: [{ id: 'k', scope: 'key k', tokensPerMinute: 100 }],
      inputTokens: 10,
      tokens: 60,
      wasAsked: false,
    })
    const taken = a.submit(request('x', { rates: rates(1) }))
    const refused = b.submit(request('x', { rates: rates(1) }))
    assert.deepEqual(await states([taken, refused]), ['runs', 'tokens_per_minute_exceeded'])
    // The first one used little of what it was charged.
    a.tell(['used', 1, 10])
    assert.equal(await stateOf(b.submit(request('x', { rates: rates(2) }))), 'runs')
  })
})
