/** Random event sequences against the promises of the scheduler; the seed is printed on failure. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Arrival, defaultSchedulerConfig } from './scheduler-types.ts'
import { engine, INPUT_MAX, OUTPUT_MAX, World } from './test-world.ts'

test('slots: never idle while work waits, never over cap + express, none leaked, one end each', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 9 }), (seed, cap) => {
      const world = new World(seed)
      world.scheduler.setEngine(engine('e', cap))
      const limits = { tenantConcurrencyMax: world.pick(3) === 0 ? 2 : null }
      for (let i = 0; i < 400; i++) {
        const choice = world.pick(10)
        if (choice < 4) world.arrive(world.pick(5) === 0 ? limits : {})
        else if (choice === 4) {
          const id = `t${world.pick(Math.max(1, world.serial))}`
          const queued = world.queued.get(id)
          if (queued && world.scheduler.cancel(queued)) world.end(id)
        } else if (choice === 5 && world.pick(8) === 0) {
          world.scheduler.setEngine(engine('e', world.pick(2) === 0 ? 0 : cap))
        } else world.step()
        world.pump()
        const [state] = world.scheduler.engines()
        assert.ok(state)
        assert.equal(state.inFlight, world.running.size)
        assert.ok(state.inFlight <= Math.max(cap + 1, world.running.size))
        const free = state.cap - state.inFlight
        const eligible = [...world.scheduler.waitingTickets()].some(
          (ticket) =>
            ticket.state === 'waiting' &&
            ticket.arrival.tenantConcurrencyMax === null &&
            !ticket.place.parked &&
            !ticket.place.parent?.parent?.parked,
        )
        assert.ok(!(free > 0 && eligible), `${free} free while somebody waits`)
      }
      world.scheduler.setEngine(engine('e', cap))
      world.pump()
      for (let i = 0; i < 20_000 && world.running.size + world.scheduler.waiting > 0; i++)
        world.step()
      assert.equal(world.inFlight(), 0)
      assert.equal([...world.scheduler.waitingTickets()].length, 0)
      for (let i = 0; i < world.serial; i++) assert.equal(world.ends.get(`t${i}`), 1, `t${i}`)
    }),
    { numRuns: 150 },
  )
})

test('the same events give the same decisions', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const run = () => {
        const world = new World(seed)
        world.scheduler.setEngine(engine('e', 3))
        for (let i = 0; i < 200; i++) {
          if (world.pick(2)) world.arrive({})
          else world.step()
        }
        return world.decisions
      }
      assert.deepEqual(run(), run())
    }),
    { numRuns: 30 },
  )
})

/**
 * Keeps `count` tickets waiting for each member and checks the gap of weighted service between any
 * two over every interval: |ΔWi/wi − ΔWj/wj| ≤ 2U ÷ min(w), U = max(L_in, 2 × (cap + express) ×
 * L_ctx).
 */
function gapWithinBound(
  seed: number,
  cap: number,
  members: Partial<Arrival>[],
  keys: string[],
  weights: number[],
  engines = ['e'],
) {
  // To run ahead for a prefix is allowed by no more than one context.
  const context = INPUT_MAX + OUTPUT_MAX
  const world = new World(seed, { ...defaultSchedulerConfig, affinityAdvanceUnits: 2 * context })
  for (const id of engines) world.scheduler.setEngine(engine(id, cap))
  const unit = Math.max(INPUT_MAX, 2 * engines.length * (cap + 1) * context)
  // The first one's prompts are known everywhere soon, those of the others now and then.
  const beginnings = (isFirst: boolean) => {
    const conversation = isFirst ? 'first' : world.pick(50)
    return [1, 3, 5].map((tokens) => ({ key: `${conversation}/${tokens}`, tokens }))
  }
  const change = (member: Partial<Arrival>): Partial<Arrival> =>
    engines.length === 1
      ? {}
      : { beginnings: beginnings(member === members[0]), estimatedInputTokens: INPUT_MAX }
  const lows = new Map<string, number>()
  const highs = new Map<string, number>()
  const refill = () => {
    for (const member of members) world.fill(member, 4, () => change(member))
  }
  refill()
  world.pump()
  for (let step = 0; step < 1500; step++) {
    world.step()
    refill()
    world.pump()
    for (let i = 0; i < keys.length; i++) {
      for (let j = i + 1; j < keys.length; j++) {
        const of = (k: number) => (world.service.get(keys[k] ?? '') ?? 0) / (weights[k] ?? 1)
        const pair = `${keys[i]}~${keys[j]}`
        const difference = of(i) - of(j)
        lows.set(pair, Math.min(lows.get(pair) ?? difference, difference))
        highs.set(pair, Math.max(highs.get(pair) ?? difference, difference))
        const gap = (highs.get(pair) ?? 0) - (lows.get(pair) ?? 0)
        const bound = (2 * unit) / Math.min(weights[i] ?? 1, weights[j] ?? 1)
        assert.ok(gap <= bound, `${pair}: gap ${gap} over ${bound} at step ${step}`)
      }
    }
  }
}

test('tenants that wait together stay within the bound of each other, by weight', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 8 }), (seed, cap) => {
      const weights = [1, 2, 3]
      const members = weights.map((tenantWeight, i) => ({
        tenantId: `t${i}`,
        tenantWeight,
        projectId: 'p0',
        userId: 'u0',
        serviceClass: 'standard' as const,
      }))
      gapWithinBound(
        seed,
        cap,
        members,
        weights.map((_, i) => `interactive/t${i}`),
        weights,
      )
    }),
    { numRuns: 12 },
  )
})

test('so do projects of a tenant and users of a project', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 8 }), (seed, cap) => {
      const base = { tenantId: 't0', tenantWeight: 1, serviceClass: 'standard' as const }
      const members = [
        { ...base, projectId: 'p0', projectWeight: 1, userId: 'u0' },
        { ...base, projectId: 'p1', projectWeight: 2, userId: 'u0' },
        { ...base, projectId: 'p1', projectWeight: 2, userId: 'u1' },
      ]
      const projects = ['interactive/t0/p0', 'interactive/t0/p1']
      gapWithinBound(seed, cap, members, projects, [1, 2])
      const users = ['interactive/t0/p1/u0', 'interactive/t0/p1/u1']
      gapWithinBound(seed + 1, cap, members, users, [1, 1])
    }),
    { numRuns: 8 },
  )
})

test('the bound holds where prompts go to the engine that knows how they begin', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 4 }), (seed, cap) => {
      const weights = [1, 2, 3]
      const tenants = weights.map((tenantWeight, i) => ({
        tenantId: `t${i}`,
        tenantWeight,
        projectId: 'p0',
        userId: 'u0',
        serviceClass: 'standard' as const,
      }))
      const keys = weights.map((_, i) => `interactive/t${i}`)
      gapWithinBound(seed, cap, tenants, keys, weights, ['e', 'f', 'g'])
      const users = ['u0', 'u1', 'u2'].map((userId) => ({ ...tenants[0], userId }))
      const userKeys = users.map(({ userId }) => `interactive/t0/p0/${userId}`)
      gapWithinBound(seed, cap, users, userKeys, [1, 1, 1], ['e', 'f'])
    }),
    { numRuns: 8 },
  )
})

test('nobody starves inside a band, whatever others send', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const world = new World(seed)
      world.scheduler.setEngine(engine('e', 2, 0))
      const flood = () => {
        for (let i = 0; i < 3; i++) {
          const serviceClass = world.pick(2) ? ('priority' as const) : ('standard' as const)
          world.arrive({ serviceClass, tenantId: `t${world.pick(2)}`, deadlineMs: 1e12 })
        }
      }
      flood()
      world.arrive({
        id: 'lonely',
        tenantId: 't0',
        userId: 'u9',
        deadlineMs: 1e12,
        serviceClass: 'standard',
      })
      world.pump()
      let steps = 0
      while (!world.ends.has('lonely')) {
        flood()
        world.step()
        assert.ok(steps++ < 3000, 'still waiting after 3000 steps')
      }
    }),
    { numRuns: 40 },
  )
})
