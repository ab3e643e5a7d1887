import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  BackgroundTurn,
  notePassed,
  Pace,
  type Piece,
  planStep,
  RANKS_PER_CLASS,
  REST_TOKENS_MAX,
  type ReadPiece,
  type StepCandidate,
} from '../base/index.ts'

const READ_TOKENS_MAX = 512
const OPTIONS = { room: 5, enough: 3, yieldMsMax: 5000 }

interface Asked {
  rank: number
  prompt: number
  answer: number
  arrivesMs: number
}

interface Running extends StepCandidate {
  left: number
  /** Tokens of later prompts of its rank read since it came. */
  overtaken: number
}

const asked: fc.Arbitrary<Asked> = fc.record({
  rank: fc.integer({ min: 0, max: 4 * RANKS_PER_CLASS - 1 }),
  prompt: fc.integer({ min: 1, max: 900 }),
  answer: fc.integer({ min: 1, max: 30 }),
  arrivesMs: fc.integer({ min: 0, max: 4000 }),
})

/** A prompt lets later ones of its rank go before it until they had so many times its length. */
const PASSED_OVER_OWN = 8

/** What a step takes: each of its passes has a price of its own. */
interface Machine {
  passMs: number
  tokenMs: number
  /** What a token of a prompt takes more after 1,000 others, as a share of what it took. */
  growth: number
}

const positionOf = ({ toRead, unread }: StepCandidate) => toRead - unread

/** What pieces take as so many tokens at the beginning of a prompt would. */
const weighed = (read: readonly ReadPiece[], growth: number) =>
  read
    .map(({ position, tokens }) => tokens * (1 + (growth * (position + tokens / 2)) / 1000))
    .reduce((sum, weight) => sum + weight, 0)

/** Plays requests through planner and pace until all are done; returns the steps. */
function play(requests: readonly Asked[], { passMs, tokenMs, growth }: Machine) {
  const pace = new Pace({ readTokensMax: READ_TOKENS_MAX, readStepMs: 250 })
  const waiting = requests
    .map((request, order) => ({ ...request, order }))
    .sort((a, b) => a.arrivesMs - b.arrivesMs)
  const running: Running[] = []
  const seen: { nowMs: number; reading: number; decoding: number }[] = []
  let [nowMs, readMs] = [0, 0]
  const backgroundTurn = new BackgroundTurn()
  const done = new Set<number>()
  for (let step = 0; done.size < requests.length; step++) {
    assert.ok(step < 50_000, 'somebody never had a turn')
    while (waiting[0] && waiting[0].arrivesMs <= nowMs) {
      const { rank, prompt, answer, order } = waiting.shift() as (typeof waiting)[number]
      const unread = { unread: prompt, toRead: prompt }
      const state = { passedTokens: 0, paused: false, lastStepMs: nowMs, overtaken: 0 }
      running.push({ rank, order, ...unread, ...state, index: order, left: answer })
    }
    running.sort((a, b) => a.index - b.index)
    const plan = planStep(running, {
      ...OPTIONS,
      readBudget: (step, next) =>
        pace.readBudget(step, { position: positionOf(next), unread: next.unread }),
      backgroundShare: backgroundTurn.share,
      readMs,
      nowMs,
    })
    if (plan === undefined) {
      nowMs = waiting[0]?.arrivesMs ?? nowMs
      continue
    }
    const tokens = plan.read.reduce((sum, one) => sum + one.tokens, 0)
    assert.ok(tokens <= READ_TOKENS_MAX + REST_TOKENS_MAX)
    assert.ok(tokens > 0 !== plan.decode.length > 0, 'a step reads or gives tokens')
    const pieces = plan.read.map((one) => ({
      position: positionOf(one.candidate),
      tokens: one.tokens,
    }))
    const tookMs = passMs + tokenMs * (weighed(pieces, growth) + plan.decode.length)
    nowMs += tookMs
    notePassed(running, plan.read)
    for (const one of running.filter(({ unread }) => unread > 0)) overtake(one, plan.read)
    readMs = plan.decode.length > 0 ? 0 : readMs + tookMs
    pace.record(tookMs, plan.decode.length, pieces)
    const streamMs = pace.streamMs(OPTIONS.room)
    const { decode } = plan
    backgroundTurn.note({ candidates: running, decode, durationMs: tookMs, streamMs })
    for (const { candidate, tokens: read } of plan.read) {
      assert.ok(read > 0 && read <= candidate.unread)
      candidate.unread -= read
      if (candidate.unread === 0) candidate.left--
    }
    for (const one of plan.decode) one.left--
    for (const one of [...plan.decode, ...plan.read.map((read) => read.candidate)])
      one.lastStepMs = nowMs
    for (const one of running.filter(({ left, unread }) => left <= 0 && unread === 0)) {
      done.add(one.order)
      running.splice(running.indexOf(one), 1)
    }
    seen.push({ nowMs, reading: plan.read.length, decoding: plan.decode.length })
  }
  return { seen, nowMs }
}

function overtake(one: Running, read: readonly Piece<Running>[]) {
  const later = read.filter(({ candidate: { rank, order } }) => {
    return rank === one.rank && order > one.order
  })
  one.overtaken += later.reduce((sum, { tokens }) => sum + tokens, 0)
  // And what is beside them in the step that takes the last of it, and in its own last one.
  const most = PASSED_OVER_OWN * one.toRead + 2 * (READ_TOKENS_MAX + REST_TOKENS_MAX)
  assert.ok(one.overtaken <= most, `${one.overtaken} tokens before one of ${one.toRead}`)
}

const machine: fc.Arbitrary<Machine> = fc.record({
  passMs: fc.double({ min: 0.1, max: 60, noNaN: true }),
  tokenMs: fc.double({ min: 0.01, max: 20, noNaN: true }),
  growth: fc.double({ min: 0, max: 1.5, noNaN: true }),
})

test('whatever comes and however quick the machine, every request is answered', () => {
  fc.assert(
    fc.property(fc.array(asked, { minLength: 1, maxLength: 14 }), machine, (requests, on) => {
      play(requests, on)
    }),
    { numRuns: 150 },
  )
})

test('however many short prompts come after a long one, it is passed by so many and no more', () => {
  const later = fc.record({
    prompt: fc.integer({ min: 1, max: 200 }),
    arrivesMs: fc.integer({ min: 1, max: 4000 }),
  })
  fc.assert(
    fc.property(fc.array(later, { minLength: 60, maxLength: 120 }), machine, (many, on) => {
      const own = { rank: RANKS_PER_CLASS, answer: 1 }
      const long = { ...own, prompt: 250, arrivesMs: 0 }
      play([long, ...many.map((one) => ({ ...own, ...one }))], on)
    }),
    { numRuns: 60 },
  )
})

test('while a long prompt of their rank is read, streams wait for few of their own steps', () => {
  fc.assert(
    fc.property(machine, fc.integer({ min: 1, max: 5 }), (on, streams) => {
      const own = { rank: RANKS_PER_CLASS, arrivesMs: 0 }
      const requests = Array.from({ length: streams }, () => ({ ...own, prompt: 8, answer: 60 }))
      const { seen } = play([...requests, { ...own, prompt: 900, answer: 1, arrivesMs: 1 }], on)
      const tokens = seen.filter(({ decoding }) => decoding === streams)
      const gaps = tokens.slice(1).map(({ nowMs }, i) => nowMs - (tokens[i]?.nowMs ?? 0))
      const stepMs = on.passMs + on.tokenMs * streams
      // A turn has a least length, and the last piece of a prompt may be a little longer.
      const lastMs = on.tokenMs * (1 + on.growth)
      const leastMs = Math.max(25, lastMs)
      const turnMs = Math.max(1.75 * stepMs, leastMs) + 2 * on.passMs + lastMs * REST_TOKENS_MAX
      const most = stepMs + 1.1 * turnMs
      // The first turns are read before it is known how long anything takes.
      for (const gap of gaps.slice(3)) assert.ok(gap <= most, `${gap} of ${most}: ${gaps.join()}`)
    }),
    { numRuns: 100 },
  )
})
