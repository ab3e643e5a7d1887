import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../base/index.ts'
import { type EngineProfile, parseProfile } from './sim-profile.ts'
import type { SimObserver, SimRequest, SimTicket } from './sim-types.ts'
import { Simulation } from './simulator.ts'

/** Reads a token a millisecond; one stream takes 10 ms, two 20, more a little longer. */
const engine: EngineProfile = parseProfile({
  name: 'ours',
  basis: 'made up',
  cap: 4,
  express: 1,
  readTokensPerS: 1000,
  chunkTokens: 1,
  chunkTokensAlone: 1,
  decode: [
    { streams: 1, stepMs: 10 },
    { streams: 2, stepMs: 20 },
    { streams: 4, stepMs: 22 },
  ],
  kvTokens: 1,
  contextTokens: 2048,
  prefixCache: true,
  yields: 'step',
  spare: 4,
  lockstep: { enough: 4 },
})

const ask = (atMs: number, change: Partial<SimRequest> = {}): SimRequest => ({
  atMs,
  tenant: 'a',
  serviceClass: 'standard',
  inputTokens: 20,
  outputTokens: 11,
  prefix: [],
  ...change,
})

function play(requests: SimRequest[], profile = engine, observer: SimObserver = {}): SimTicket[] {
  const tickets: SimTicket[] = []
  const arrived = (ticket: SimTicket) => void tickets.push(ticket)
  const observers = [{ arrived }, observer]
  const simulation = new Simulation({ engines: [{ id: 'e', profile }], requests, observers })
  simulation.run()
  assert.equal(simulation.open.size, 0)
  return tickets
}

test('a prompt takes the time of its tokens, an answer that of its passes', () => {
  const [ticket] = play([ask(0)])
  assert.equal(ticket?.firstTokenMs, 20)
  assert.equal(ticket.lastStepMs, 20 + 10 * 10)
})

test('of two prompts that come together the second has its first token a step later', () => {
  const [first, second] = play([ask(0), ask(0)])
  assert.equal(first?.firstTokenMs, 20)
  assert.equal(second?.firstTokenMs, 40)
  assert.equal(second.lastStepMs, 40 + 10 * 20)
})

test('streams are brought together when the one between them is done', () => {
  const decode = [
    { streams: 1, stepMs: 10 },
    { streams: 2, stepMs: 14 },
    { streams: 3, stepMs: 90 },
  ]
  const lengths = [102, 2, 102]
  const tickets = play(
    lengths.map((outputTokens) => ask(0, { outputTokens })),
    { ...engine, decode },
  )
  const readMs = 3 * 20
  // The first pass is one of all three.
  const writtenMs = Math.max(...tickets.map(({ lastStepMs }) => lastStepMs)) - readMs - 90
  assert.equal(writtenMs, 100 * 14)
})

test('what its sequence still holds of a prompt is not read again, for its tenant only', () => {
  const read: number[] = []
  const prefix = [{ id: 'system', tokens: 40 }]
  const request = { inputTokens: 60, outputTokens: 2, prefix }
  play([ask(0, request), ask(1000, request), ask(2000, { ...request, tenant: 'b' })], engine, {
    promptRead: ({ uncachedTokens }) => void read.push(uncachedTokens),
  })
  assert.deepEqual(read, [60, 20, 60])
})

test('background streams stand aside while a prompt of people is read', () => {
  const line = ask(0, { serviceClass: 'batch', outputTokens: 100 })
  const [batch, person] = play([line, ask(105, { inputTokens: 100, outputTokens: 1 })])
  // The step under way ends at 110.
  assert.equal(person?.firstTokenMs, 110 + 100)
  assert.equal(batch?.lastStepMs, 20 + 99 * 10 + 100)
})

test('whatever comes and leaves, every request ends once, the same way with the same seed', (t) => {
  const seed = Math.floor(Math.random() * 1e9)
  t.diagnostic(`seed ${seed}`)
  const run = () => {
    const random = seededRandom(seed)
    const upTo = (most: number) => 1 + Math.floor(random.next() * most)
    let atMs = 0
    const requests = Array.from({ length: 400 }, () => {
      atMs += upTo(120)
      const tenant = `t${upTo(3)}`
      const inputTokens = upTo(200)
      return ask(atMs, {
        tenant,
        serviceClass: random.next() < 0.5 ? 'batch' : 'standard',
        inputTokens,
        outputTokens: upTo(40),
        prefix: [{ id: tenant, tokens: Math.min(40, inputTokens - 1) }],
        ...(random.next() < 0.3 && { abortAfterMs: upTo(1500) }),
      })
    })
    const ends: string[] = []
    play(requests, engine, {
      ended: ({ id, generated }, outcome, nowMs) => {
        ends.push(`${id} ${outcome} ${generated} ${nowMs}`)
        if (outcome === 'done') assert.equal(generated, requests[Number(id)]?.outputTokens)
      },
    })
    assert.equal(new Set(ends.map((end) => end.split(' ')[0])).size, 400)
    assert.equal(ends.length, 400)
    return ends
  }
  assert.deepEqual(run(), run())
})
