import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Scheduler } from './scheduler.ts'
import { type Arrival, defaultSchedulerConfig } from './scheduler-types.ts'
import type { TicketState } from './ticket-state.ts'
import { WarmPrefixes } from './warm-prefixes.ts'

let serial = 0

function engines(cap: number, ids = ['one', 'two']): Scheduler {
  const made = new Scheduler(defaultSchedulerConfig)
  for (const id of ids) open(made, id, cap)
  return made
}

const open = (s: Scheduler, id: string, cap: number) =>
  s.setEngine({ id, models: ['m'], cap, express: 0, backgroundReserve: 0 })

/** A turn of a conversation: what was said before is what the next turn begins with. */
const conversation = (name: string, turns = 1) =>
  Array.from({ length: turns }, (_, i) => ({ key: `${name}/${i}`, tokens: 1000 * (i + 1) }))

function ask(s: Scheduler, name: string, change: Partial<Arrival> = {}): TicketState {
  const queued = s.arrive({
    id: `a${serial++}`,
    model: 'm',
    tenantId: 't',
    tenantWeight: 1,
    projectId: 'p',
    projectWeight: 1,
    keyId: 'k',
    userId: name,
    serviceClass: 'standard',
    estimatedInputTokens: 1100,
    deadlineMs: 1e9,
    queueDepthMax: 1000,
    tenantConcurrencyMax: null,
    keyConcurrencyMax: null,
    beginnings: conversation(name),
    ...change,
  })
  assert.ok(queued !== 'queue_full')
  return queued
}

/** Runs what was asked to its end. @returns the engine that it ran on */
function serve(s: Scheduler, ticket: TicketState): string {
  const given = s.next()
  assert.equal(given?.ticket, ticket)
  s.promptRead(ticket, ticket.chargedInputTokens)
  s.progress(ticket, 10)
  s.finish(ticket)
  return given.engineId
}

describe('with several engines', () => {
  it('the next turn of a conversation goes where the one before it was read', () => {
    const s = engines(4)
    const [a, b] = ['a', 'b'].map((name) => {
      const ticket = ask(s, name)
      return { ticket, engineId: s.next()?.engineId }
    })
    assert.notEqual(a?.engineId, b?.engineId)
    for (const { ticket } of [a, b] as { ticket: TicketState }[]) s.finish(ticket)
    for (let turn = 2; turn < 6; turn++) {
      assert.equal(serve(s, ask(s, 'b', { beginnings: conversation('b', turn) })), b?.engineId)
      assert.equal(serve(s, ask(s, 'a', { beginnings: conversation('a', turn) })), a?.engineId)
    }
  })

  it('it goes elsewhere where that engine is busier by more than the beginning is worth', () => {
    const s = engines(4)
    const first = serve(s, ask(s, 'a'))
    for (const [tokens, isWorthIt] of [
      [800, true],
      [1300, false],
    ] as const) {
      const busy = ask(s, 'a', { estimatedInputTokens: 1000 + tokens })
      assert.equal(s.next()?.engineId, first)
      const next = serve(s, ask(s, 'a'))
      assert.equal(next === first, isWorthIt, `${tokens} more to read`)
      s.finish(busy)
      // What was just read elsewhere is known there, too.
      open(s, first === 'one' ? 'two' : 'one', 0)
      open(s, first === 'one' ? 'two' : 'one', 4)
    }
  })

  it('an engine that went away has forgotten everything', () => {
    const s = engines(4)
    const first = serve(s, ask(s, 'a'))
    open(s, first, 0)
    open(s, first, 4)
    const ticket = ask(s, 'a')
    s.next()
    assert.equal(ticket.chargedInputTokens, 1100)
  })

  it('an engine that keeps nothing is not thought to', () => {
    const s = engines(4)
    for (const id of ['one', 'two']) {
      const slots = { id, models: ['m'], cap: 4, express: 0, backgroundReserve: 0 }
      s.setEngine({ ...slots, keepsPrefixes: false })
    }
    serve(s, ask(s, 'a'))
    const again = ask(s, 'a')
    s.next()
    assert.equal(again.chargedInputTokens, 1100)
  })

  it('what is kept is not charged, and what was not kept after all is', () => {
    const s = engines(4)
    serve(s, ask(s, 'a'))
    const ticket = ask(s, 'a')
    s.next()
    assert.equal(ticket.chargedInputTokens, 100)
    const counter = () => s.pools()[0]?.bands.interactive.root.children.get('t')?.counter ?? 0
    const before = counter()
    s.promptRead(ticket, 1100)
    assert.equal(counter(), before + 1000)
  })

  it('a free place goes to who begins like what was read there, a little out of turn', () => {
    const s = engines(4)
    const engineOf = new Map<string, string>()
    const running = ['a', 'b', 'a', 'b', 'a', 'b', 'a', 'b'].map((name) => {
      const ticket = ask(s, name)
      const engineId = s.next()?.engineId ?? ''
      assert.equal(engineOf.get(name) ?? engineId, engineId)
      engineOf.set(name, engineId)
      s.promptRead(ticket, ticket.chargedInputTokens)
      return { ticket, name }
    })
    for (let i = 0; i < 8; i++) ask(s, i % 2 === 0 ? 'b' : 'a')
    // By counters alone they would take turns, each on the engine that knows the other.
    for (const name of ['a', 'b']) {
      for (const { ticket } of running.filter((one) => one.name === name).slice(0, 3)) {
        s.finish(ticket)
        const next = s.next()
        assert.equal(next?.engineId, engineOf.get(name))
        assert.equal(next?.ticket.arrival.userId, name)
      }
    }
  })

  it('but nobody runs ahead of others by more than the advance', () => {
    const s = engines(4)
    const running: TicketState[] = []
    const units = { warm: 0, cold: 0 }
    const offer = (i: number) => {
      ask(s, 'w', { tenantId: 'warm', estimatedInputTokens: 2100 })
      ask(s, `c${i}`, { tenantId: 'cold' })
    }
    const pump = () => {
      for (let next = s.next(); next; next = s.next()) {
        running.push(next.ticket)
        const { arrival, chargedInputTokens } = next.ticket
        units[arrival.tenantId as 'warm' | 'cold'] += chargedInputTokens
      }
    }
    for (let i = 0; i < 20; i++) offer(i)
    pump()
    for (let i = 20; i < 200; i++) {
      offer(i)
      s.finish(running.shift() as TicketState)
      pump()
    }
    const gap = Math.abs(units.warm - units.cold)
    const bound = defaultSchedulerConfig.affinityAdvanceUnits + 8 * 1100
    assert.ok(gap <= bound, JSON.stringify(units))
  })

  it('nothing is lost while engines come, drain and go under load', () => {
    const s = engines(3)
    const asked = new Set<TicketState>()
    const ended = new Set<TicketState>()
    const running: TicketState[] = []
    const pump = () => {
      for (let d = s.next(); d; d = s.next()) {
        assert.ok((s.engine(d.engineId)?.cap ?? 0) > 0, 'given to an engine that takes nothing')
        running.push(d.ticket)
      }
    }
    for (let i = 0; i < 300; i++) {
      asked.add(ask(s, `user ${i % 7}`, { beginnings: conversation(`${i % 7}`, 1 + (i % 4)) }))
      if (i === 50) open(s, 'three', 3)
      if (i === 100) open(s, 'one', 0)
      if (i === 150) open(s, 'one', 2)
      if (i === 200) open(s, 'two', 0)
      if (i === 230 && s.engine('two')?.inFlight === 0) s.removeEngine('two')
      pump()
      if (i % 3 === 0) continue
      const ticket = running.shift()
      if (ticket === undefined) continue
      s.finish(ticket)
      ended.add(ticket)
    }
    for (pump(); running.length > 0; pump()) {
      const ticket = running.shift() as TicketState
      s.finish(ticket)
      ended.add(ticket)
    }
    assert.deepEqual(ended, asked)
    assert.equal(s.waiting, 0)
  })
})

describe('what an engine is believed to keep', () => {
  it('gives up the longest cuts of what was not used for longest, and has no holes', () => {
    const kept = new WarmPrefixes()
    kept.note(conversation('old', 40))
    kept.note(conversation('new', 40))
    assert.equal(kept.hit(conversation('old', 40)), 40_000)
    for (let i = 0; i < 12; i++) kept.learn(false)
    const [old, young] = [kept.hit(conversation('old', 40)), kept.hit(conversation('new', 40))]
    assert.ok(old < 40_000 && young >= old && young > 0, `${old} and ${young} tokens`)
    assert.equal(kept.hit(conversation('never', 40)), 0)
  })

  it('holds a bounded number of cuts', () => {
    const kept = new WarmPrefixes()
    for (let i = 0; i < 20_000; i++) kept.note(conversation(`${i}`))
    assert.equal(kept.hit(conversation('0')), 0)
    assert.equal(kept.hit(conversation('19999')), 1000)
  })
})
