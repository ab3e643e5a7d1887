import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type PromptSlot, PromptSlots } from './prompt-slots.ts'
import { end, engine, profile, request, setUp } from './test-pool.ts'

const cuts = (...keys: string[]) => keys.map((key, i) => ({ key, tokens: 128 * (i + 1) }))
const asking = (tenantId: string, ...keys: string[]) => ({ tenantId, beginnings: cuts(...keys) })

/** A request that is read and answered at once. */
function serve(slots: PromptSlots, ...args: Parameters<typeof asking>): PromptSlot | undefined {
  const slot = slots.take(asking(...args))
  slots.give(slot, true)
  return slot
}

describe('numbered slots', () => {
  test('a conversation goes on where it was, another one where nobody was for longest', () => {
    const slots = new PromptSlots(3, 0)
    assert.deepEqual(serve(slots, 'a', 'a1'), { number: 0, keeps: false })
    assert.deepEqual(serve(slots, 'a', 'a2'), { number: 1, keeps: false })
    assert.deepEqual(serve(slots, 'a', 'a1', 'more'), { number: 0, keeps: true })
    assert.deepEqual(serve(slots, 'b', 'b1'), { number: 2, keeps: false })
    assert.deepEqual(serve(slots, 'b', 'b2'), { number: 1, keeps: false })
    assert.deepEqual(serve(slots, 'a', 'a2'), { number: 0, keeps: true })
  })

  test('a prompt goes where a short one of its tenant was, and takes no long one away', () => {
    const slots = new PromptSlots(3, 0)
    assert.equal(serve(slots, 'a')?.number, 0)
    assert.deepEqual(serve(slots, 'a', 'long'), { number: 0, keeps: true })
    assert.deepEqual(serve(slots, 'a'), { number: 1, keeps: false })
    assert.deepEqual(serve(slots, 'b'), { number: 2, keeps: false })
    assert.deepEqual(serve(slots, 'a'), { number: 1, keeps: true })
  })

  test('what was sent and not read leaves nobody sure of what is in a slot', () => {
    const slots = new PromptSlots(1, 0)
    serve(slots, 'a', 'a1')
    slots.give(slots.take(asking('b', 'a1')), false)
    assert.equal(serve(slots, 'b', 'a1')?.keeps, false)
    slots.give(slots.take(asking('b', 'a1')), false)
    assert.equal(serve(slots, 'b', 'a1')?.keeps, true)
  })

  test('while the engine chooses for one, it chooses for all, and nothing is sure after that', () => {
    const slots = new PromptSlots(2, 0)
    serve(slots, 'a', 'a1')
    const running = slots.take(asking('b', 'b1'))
    const loose = slots.take({ ...asking('c', 'c1'), spreads: true })
    assert.equal(loose, undefined)
    assert.equal(serve(slots, 'a', 'a1'), undefined)
    slots.give(loose, true)
    slots.give(running, true)
    assert.equal(serve(slots, 'b', 'b1')?.keeps, false)
    assert.equal(serve(slots, 'b', 'b1')?.keeps, true)
    slots.hold(1)
    assert.equal(serve(slots, 'b', 'b1'), undefined)
    slots.hold(0)
    assert.equal(serve(slots, 'b', 'b1')?.keeps, false)
  })

  test('nobody may use what another tenant has left, whatever ends how', () => {
    const kinds = { take: 4, read: 4, begin: 1, end: 5, spread: 1, hold: 1 }
    const step = fc.record({
      kind: fc.constantFrom(...Object.entries(kinds).flatMap(([kind, n]) => Array(n).fill(kind))),
      tenant: fc.constantFrom('a', 'b', 'c'),
      pick: fc.nat(),
    })
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 100, maxLength: 200 }),
        fc.integer({ min: 1, max: 4 }),
        playSteps,
      ),
      { numRuns: 500 },
    )
  })
})

interface Job {
  tenant: string
  slot: PromptSlot | undefined
  /** Where it runs at the server. */
  at: number[]
  read: boolean
}

/** The server's side of it: whose prompt is really in each slot. */
function playSteps(
  steps: readonly { kind: string; tenant: string; pick: number }[],
  count: number,
): void {
  const slots = new PromptSlots(count, 0)
  const content: (string | undefined)[] = Array.from({ length: count })
  const jobs: Job[] = []
  const isFree = (at: number) => jobs.every((job) => !job.at.includes(at))
  for (const { kind, tenant, pick } of steps) {
    const job = jobs[pick % Math.max(1, jobs.length)]
    if (kind === 'take' || kind === 'spread') {
      const slot = slots.take({ tenantId: tenant, spreads: kind === 'spread' })
      const own = Array.from(content.keys()).filter(isFree)
      if (slot?.keeps) assert.equal(content[slot.number], tenant)
      jobs.push({ tenant, slot, at: slot ? [slot.number] : own.slice(pick % count), read: false })
    } else if ((kind === 'read' || kind === 'begin') && job !== undefined) {
      for (const at of job.at) content[at] = job.tenant
      job.read ||= kind === 'read'
    } else if (kind === 'end' && job !== undefined) {
      jobs.splice(jobs.indexOf(job), 1)
      slots.give(job.slot, job.read)
    } else if (kind === 'hold') {
      const isHeld = pick % 3 === 0
      slots.hold(isHeld ? 1 : 0)
      // Somebody of whom nobody tells.
      if (isHeld) for (const at of content.keys()) if (isFree(at)) content[at] = 'nobody'
    }
  }
}

describe('the pool', () => {
  const slotted = { ...profile(2), takesCacheOff: true, promptSlots: 3 }

  test('tells a request its slot, and takes it back with the place', async () => {
    const { pool } = setUp()
    pool.setEngine(engine('e'), slotted, 'up', 'It answers.')
    assert.equal(pool.asksBeginnings('m'), true)
    const sent = async (tenantId: string) => {
      const ticket = pool.submit(request(tenantId))
      const { slot } = await ticket.granted
      ticket.finish(end(5))
      return slot
    }
    assert.deepEqual(await sent('a'), { number: 0, keeps: false })
    assert.deepEqual(await sent('a'), { number: 0, keeps: true })
    assert.deepEqual(await sent('b'), { number: 1, keeps: false })
    pool.setEngine(engine('e'), slotted, 'down', 'It is away.')
    pool.setEngine(engine('e'), slotted, 'up', 'It answers.')
    assert.deepEqual(await sent('b'), { number: 0, keeps: false })
    pool.clear()
    assert.equal((await sent('b'))?.keeps, false)
    pool.close()
  })

  test('gives no slots while requests run whose place it does not know', async () => {
    const { pool } = setUp()
    const early = pool.submit(request('a'))
    assert.equal((await early.granted).slot, undefined)
    pool.setEngine(engine('e'), slotted, 'up', 'It answers.')
    const second = pool.submit(request('a'))
    assert.equal((await second.granted).slot, undefined)
    early.finish(end(5))
    second.finish(end(5))
    const adopted = pool.adopt(request('b'), {
      ...{ engineId: 'e', inputTokens: 10, cachedTokens: 0, outputTokens: 1 },
    })
    const third = pool.submit(request('a'))
    assert.equal((await third.granted).slot, undefined)
    adopted.finish(end(5))
    third.finish(end(5))
    const last = pool.submit(request('a'))
    assert.deepEqual((await last.granted).slot, { number: 0, keeps: false })
    last.finish(end(5))
    pool.close()
  })
})
