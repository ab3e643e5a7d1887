import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { treesOf } from './pool-groups.ts'
import { Scheduler } from './scheduler.ts'
import { type Arrival, defaultSchedulerConfig, type TenantState } from './scheduler-types.ts'
import { arrival, engine, INPUT_MAX, OUTPUT_MAX, World } from './test-world.ts'
import type { TicketState } from './ticket-state.ts'

function ask(s: Scheduler, tenantId: string, change: Partial<Arrival> = {}): TicketState {
  const ticket = s.arrive(arrival(tenantId, change))
  assert.ok(ticket !== 'queue_full')
  return ticket
}

function flood(s: Scheduler, tenantId: string, change: Partial<Arrival> = {}): TicketState[] {
  return Array.from({ length: 150 }, () => ask(s, tenantId, change))
}

function scheduler(cap: number): Scheduler {
  const s = new Scheduler(defaultSchedulerConfig)
  s.setEngine(engine('e', cap, 0))
  return s
}

/** How many of the next `count` tickets are of one side, and how many are not. */
function next(s: Scheduler, count: number, isOne: (arrival: Arrival) => boolean): [number, number] {
  let own = 0
  for (let i = 0; i < count; i++) {
    const dispatch = s.next()
    assert.ok(dispatch)
    const { ticket } = dispatch
    if (isOne(ticket.arrival)) own++
    s.progress(ticket, 20)
    s.finish(ticket)
  }
  return [own, count - own]
}

const isLight = ({ tenantId }: Arrival) => tenantId === 'light'

/** What a ticket's tenant and project weigh where it is charged. */
const weightsOf = ({ account }: TicketState) => [
  account.parent?.parent?.weight,
  account.parent?.weight,
]

describe('a weight that changes', () => {
  it('holds at once for floods that wait, without another request', () => {
    const s = scheduler(1)
    flood(s, 'light')
    flood(s, 'heavy', { tenantWeight: 3 })
    assert.deepEqual(next(s, 80, isLight), [20, 60])
    s.setWeight(3, 'light')
    assert.deepEqual(next(s, 60, isLight), [30, 30])
    s.setWeight(0.5, 'heavy')
    assert.deepEqual(next(s, 70, isLight), [60, 10])
  })

  it('holds for projects of a tenant', () => {
    const s = scheduler(1)
    flood(s, 't')
    flood(s, 't', { projectId: 'q', projectWeight: 3 })
    const isP = ({ projectId }: Arrival) => projectId === 'p'
    assert.deepEqual(next(s, 80, isP), [20, 60])
    s.setWeight(9, 't', 'p')
    assert.deepEqual(next(s, 60, isP), [45, 15])
  })

  it('leaves what was received as it was', () => {
    const s = scheduler(1)
    flood(s, 'light')
    flood(s, 'heavy', { tenantWeight: 2 })
    next(s, 30, isLight)
    const running = s.next()?.ticket
    assert.ok(running)
    const account = running.account.parent?.parent
    assert.ok(account)
    const before = account.counter
    s.setWeight(8, running.arrival.tenantId)
    assert.equal(account.counter, before)
    s.progress(running, 40)
    assert.equal(account.counter, before + 80 / 8)
  })

  it('holds in both bands of every pool', () => {
    const s = scheduler(0)
    s.setEngine(engine('f', 0, 0, ['n']))
    const own = (['standard', 'batch'] as const).flatMap((serviceClass) =>
      ['m', 'n'].map((model) => ask(s, 't', { serviceClass, model })),
    )
    ask(s, 'night', { serviceClass: 'batch' })
    s.setWeight(5, 't')
    s.setWeight(7, 't', 'p')
    assert.deepEqual(own.map(weightsOf), [
      [5, 7],
      [5, 7],
      [5, 7],
      [5, 7],
    ])
    const sums = s.pools().map((pool) => [pool.activeWeight, pool.interactiveWeight])
    assert.deepEqual(sums, [
      [6, 5],
      [5, 5],
    ])
    assert.deepEqual(
      s.pools().map(({ tenants }) => tenants.get('t')?.weight),
      [5, 5],
    )
  })

  it('is not set back by what was admitted before', () => {
    const s = scheduler(0)
    s.setEngine(engine('f', 0, 0, ['n']))
    const waits = ask(s, 't', { serviceClass: 'batch' })
    s.setWeight(5, 't')
    s.setWeight(7, 't', 'p')
    const holds = (why: string) => assert.deepEqual(weightsOf(waits), [5, 7], why)
    ask(s, 't', { serviceClass: 'batch' })
    ask(s, 't', { serviceClass: 'batch', userId: 'v' })
    ask(s, 't', { serviceClass: 'batch', projectWeight: 7 })
    ask(s, 't', { serviceClass: 'batch' })
    holds('as it comes')
    s.raise(waits)
    holds('as it is raised')
    s.setOrder('fcfs')
    s.setOrder('fair')
    holds('as the order changes')
    s.setEngine(engine('g', 0, 0, ['m', 'n']))
    holds('as pools are joined')
    assert.equal(s.pools()[0]?.activeWeight, 5)
  })

  it('holds for a tenant that asks for the first time, or again', () => {
    const s = scheduler(1)
    s.setWeight(4, 't')
    assert.deepEqual(weightsOf(ask(s, 't')), [4, 1])
    next(s, 1, isLight)
    assert.equal(s.pools()[0]?.activeWeight, 0)
    s.setWeight(6, 't')
    assert.deepEqual(weightsOf(ask(s, 't')), [6, 1])
    assert.equal(s.pools()[0]?.activeWeight, 6)
  })
})

const TENANTS = ['t0', 't1', 't2', 't3']

/** What the last change of each tenant and project said; else what `World` lets arrivals say. */
class Told {
  readonly #weights = new Map<string, number>()
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  change(): void {
    const tenantId = TENANTS[this.#world.pick(TENANTS.length)] ?? ''
    const projectId = this.#world.pick(2) === 0 ? undefined : `p${this.#world.pick(2)}`
    const weight = (1 + this.#world.pick(40)) / 4
    this.#weights.set(`${tenantId}/${projectId ?? ''}`, weight)
    this.#world.scheduler.setWeight(weight, tenantId, projectId)
    this.#world.pump()
  }

  ofTenant(id: string): number {
    return this.#weights.get(`${id}/`) ?? 1 + TENANTS.indexOf(id)
  }

  ofProject({ tenantId, projectId }: Arrival): number {
    return this.#weights.get(`${tenantId}/${projectId}`) ?? 1
  }
}

/** Something that draws pools or the order anew. */
function redraw(world: World): void {
  const { scheduler } = world
  if (world.pick(2) === 0) scheduler.setOrder(scheduler.order === 'fair' ? 'fcfs' : 'fair')
  else scheduler.setEngine(engine('f', 2, 1, world.pick(2) === 0 ? ['n'] : ['m', 'n']))
}

function assertWeighed({ scheduler }: World, told: Told): void {
  const sumOf = (tenants: TenantState[]) =>
    tenants.reduce((sum, { id }) => sum + told.ofTenant(id), 0)
  for (const pool of scheduler.pools()) {
    const tenants = [...pool.tenants.values()]
    for (const { id, weight } of tenants) assert.equal(weight, told.ofTenant(id))
    assert.equal(pool.activeWeight, sumOf(tenants))
    const interactive = tenants.filter((tenant) => tenant.interactive > 0)
    assert.equal(pool.interactiveWeight, sumOf(interactive))
    for (const { root } of treesOf(pool)) {
      const first = root.peek()?.account.counter ?? Number.NEGATIVE_INFINITY
      for (const { account } of root.members()) assert.ok(account.counter >= first)
    }
  }
  for (const ticket of [...scheduler.waitingTickets(), ...scheduler.runningTickets()]) {
    const { arrival, lane, pool } = ticket
    if (lane.order === 'fcfs' || !scheduler.pools().includes(pool)) continue
    const expected = [told.ofTenant(arrival.tenantId), told.ofProject(arrival)]
    assert.deepEqual(weightsOf(ticket), expected)
  }
}

/** Of them a gap needs so many to pass its bound where a change did not hold. */
const STEPS = 1500
const CHANGES = 3

describe('whatever happens', () => {
  it('everything weighs what was told last, and sums are those of who is there', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const world = new World(seed)
        const told = new Told(world)
        world.scheduler.setEngine(engine('e', 2))
        world.scheduler.setEngine(engine('f', 2, 1, ['n']))
        for (let i = 0; i < 300; i++) {
          const choice = world.pick(12)
          if (choice < 5) world.arrive({ model: world.pick(2) === 0 ? 'm' : 'n' })
          else if (choice < 9) world.step()
          else if (choice < 11) told.change()
          else redraw(world)
          world.pump()
          assertWeighed(world, told)
        }
      }),
      { numRuns: 40 },
    )
  })

  /** Service of members that wait all the time, ÷ their weights, since one of these changed. */
  function gapsWithinBound(
    seed: number,
    members: Partial<Arrival>[],
    keys: string[],
    tell: (world: World, weight: number, index: number) => void,
  ): void {
    const world = new World(seed)
    const cap = 1 + world.pick(4)
    world.scheduler.setEngine(engine('e', cap))
    // That of the least weight, 1: what somebody was ahead by an earlier one is counted by that.
    const bound = 2 * 2 * (cap + 1) * (INPUT_MAX + OUTPUT_MAX)
    const weights = members.map(() => 1)
    let before = keys.map(() => 0)
    let [lows, highs] = [[0], [0]] as [number[], number[]]
    for (let step = 0; step < STEPS * CHANGES; step++) {
      // These bring the weight that they had at first.
      for (const member of members) world.fill(member, 4)
      world.pump()
      const received = keys.map((key) => world.service.get(key) ?? 0)
      if (step % STEPS === 0) {
        const changed = world.pick(members.length)
        weights[changed] = 1 + world.pick(8)
        tell(world, weights[changed] ?? 1, changed)
        before = received
        ;[lows, highs] = [[], []]
      }
      const weighed = received.map((units, i) => (units - (before[i] ?? 0)) / (weights[i] ?? 1))
      const differences = weighed.flatMap((one, i) =>
        weighed.slice(i + 1).map((other) => one - other),
      )
      differences.forEach((difference, pair) => {
        lows[pair] = Math.min(lows[pair] ?? 0, difference)
        highs[pair] = Math.max(highs[pair] ?? 0, difference)
        const gap = (highs[pair] ?? 0) - (lows[pair] ?? 0)
        assert.ok(gap <= bound, `pair ${pair}: gap ${gap} over ${bound} at step ${step}`)
      })
      world.step()
    }
  }

  // All of a member in one lane: to find another would tell its account what it weighs.
  const who = { tenantWeight: 1, projectId: 'p0', keyId: 'k', userId: 'u0' }
  const base = { ...who, serviceClass: 'standard' as const }

  it('tenants that wait together stay within the bound of each other by their new weights', () => {
    const tenants = ['t0', 't1', 't2']
    const members = tenants.map((tenantId) => ({ ...base, tenantId }))
    const keys = tenants.map((id) => `interactive/${id}`)
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        gapsWithinBound(seed, members, keys, ({ scheduler }, weight, i) =>
          scheduler.setWeight(weight, tenants[i] ?? ''),
        )
      }),
      { numRuns: 8 },
    )
  })

  it('so do projects of a tenant', () => {
    const projects = ['p0', 'p1', 'p2']
    const members = projects.map((projectId) => ({ ...base, tenantId: 't0', projectId }))
    const keys = projects.map((id) => `interactive/t0/${id}`)
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        gapsWithinBound(seed, members, keys, ({ scheduler }, weight, i) =>
          scheduler.setWeight(weight, 't0', projects[i]),
        )
      }),
      { numRuns: 8 },
    )
  })
})
