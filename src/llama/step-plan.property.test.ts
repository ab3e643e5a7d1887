import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RANKS_PER_CLASS } from '../base/index.ts'
import { Pace } from './pace.ts'
import { planStep, REST_TOKENS_MAX, type StepCandidate } from './step-plan.ts'

const READ_TOKENS_MAX = 512
const OPTIONS = { room: 5, enough: 3, yieldMsMax: 5000 }

interface Asked {
  priority: number
  prompt: number
  answer: number
  arrivesMs: number
}

interface Running extends StepCandidate {
  left: number
}

const asked: fc.Arbitrary<Asked> = fc.record({
  priority: fc.integer({ min: 0, max: 4 * RANKS_PER_CLASS - 1 }),
  prompt: fc.integer({ min: 1, max: 900 }),
  answer: fc.integer({ min: 1, max: 30 }),
  arrivesMs: fc.integer({ min: 0, max: 4000 }),
})

/** What a step takes: each of its passes has a price of its own. */
interface Machine {
  passMs: number
  tokenMs: number
}

/** Plays requests through planner and pace until all are done; returns the steps. */
function play(requests: readonly Asked[], { passMs, tokenMs }: Machine) {
  const pace = new Pace({ readTokensMax: READ_TOKENS_MAX, readStepMs: 250 })
  const waiting = requests
    .map((request, order) => ({ ...request, order }))
    .sort((a, b) => a.arrivesMs - b.arrivesMs)
  const running: Running[] = []
  const seen: { nowMs: number; reading: number; decoding: number }[] = []
  let [nowMs, readMs] = [0, 0]
  const done = new Set<number>()
  for (let step = 0; done.size < requests.length; step++) {
    assert.ok(step < 50_000, 'somebody never had a turn')
    while (waiting[0] && waiting[0].arrivesMs <= nowMs) {
      const { priority, prompt, answer, order } = waiting.shift() as (typeof waiting)[number]
      const unread = { unread: prompt, toRead: prompt }
      const state = { paused: false, idleMs: 0, index: order, left: answer }
      running.push({ priority, order, ...unread, ...state })
    }
    running.sort((a, b) => a.index - b.index)
    const plan = planStep(running, { ...OPTIONS, readBudget: pace.readBudget, readMs })
    if (plan === undefined) {
      nowMs = waiting[0]?.arrivesMs ?? nowMs
      continue
    }
    const tokens = plan.read.reduce((sum, one) => sum + one.tokens, 0)
    assert.ok(tokens <= READ_TOKENS_MAX + REST_TOKENS_MAX)
    assert.ok(tokens > 0 !== plan.decode.length > 0, 'a step reads or gives tokens')
    const tookMs = passMs + tokenMs * (tokens + plan.decode.length)
    nowMs += tookMs
    for (const one of running) one.idleMs += tookMs
    readMs = plan.decode.length > 0 ? 0 : readMs + tookMs
    pace.record(tookMs, plan.decode.length, tokens)
    for (const { candidate, tokens: read } of plan.read) {
      assert.ok(read > 0 && read <= candidate.unread)
      candidate.unread -= read
      if (candidate.unread === 0) candidate.left--
    }
    for (const one of plan.decode) one.left--
    for (const one of [...plan.decode, ...plan.read.map((read) => read.candidate)]) one.idleMs = 0
    for (const one of running.filter(({ left, unread }) => left <= 0 && unread === 0)) {
      done.add(one.order)
      running.splice(running.indexOf(one), 1)
    }
    seen.push({ nowMs, reading: plan.read.length, decoding: plan.decode.length })
  }
  return { seen, nowMs }
}

const machine: fc.Arbitrary<Machine> = fc.record({
  passMs: fc.double({ min: 0.1, max: 60, noNaN: true }),
  tokenMs: fc.double({ min: 0.01, max: 20, noNaN: true }),
})

test('whatever comes and however quick the machine, every request is answered', () => {
  fc.assert(
    fc.property(fc.array(asked, { minLength: 1, maxLength: 14 }), machine, (requests, on) => {
      play(requests, on)
    }),
    { numRuns: 150 },
  )
})

test('while a long prompt of their rank is read, streams wait for few of their own steps', () => {
  fc.assert(
    fc.property(machine, fc.integer({ min: 1, max: 5 }), (on, streams) => {
      const own = { priority: RANKS_PER_CLASS, arrivesMs: 0 }
      const requests = Array.from({ length: streams }, () => ({ ...own, prompt: 8, answer: 60 }))
      const { seen } = play([...requests, { ...own, prompt: 900, answer: 1, arrivesMs: 1 }], on)
      const tokens = seen.filter(({ decoding }) => decoding === streams)
      const gaps = tokens.slice(1).map(({ nowMs }, i) => nowMs - (tokens[i]?.nowMs ?? 0))
      const stepMs = on.passMs + on.tokenMs * streams
      // A piece of a prompt has a least length, and its last one may be a little longer.
      const leastMs = Math.max(25, 16 * on.tokenMs)
      const turnMs = Math.max(2.5 * stepMs, leastMs) + 2 * on.passMs + on.tokenMs * REST_TOKENS_MAX
      const most = stepMs + 1.1 * turnMs
      // The first turns are read before it is known how long anything takes.
      for (const gap of gaps.slice(3)) assert.ok(gap <= most, `${gap} of ${most}: ${gaps.join()}`)
    }),
    { numRuns: 100 },
  )
})
