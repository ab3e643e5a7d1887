import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planStep, type StepCandidate } from './step-plan.ts'

let order = 0
const candidate = (fields: Partial<StepCandidate> = {}): StepCandidate => ({
  priority: 0,
  order: order++,
  unread: 0,
  paused: false,
  idleMs: 0,
  ...fields,
})
const plan = (candidates: StepCandidate[], budget = 64) =>
  planStep(candidates, { readBudget: () => budget, yieldMsMax: 1000 })

test('all streams step together, those whose client is slow stay behind', () => {
  const streams = [candidate(), candidate({ paused: true }), candidate({ priority: 9 })]
  assert.deepEqual(plan(streams)?.decode, [streams[0], streams[2]])
  assert.equal(plan([candidate({ paused: true })]), undefined)
  assert.equal(plan([]), undefined)
})

test('while a prompt is read worse-ranked streams stand aside, equal and better ones do not', () => {
  const better = candidate({ priority: 1 })
  const equal = candidate({ priority: 5 })
  const worse = candidate({ priority: 7 })
  const prompt = candidate({ priority: 5, unread: 100 })
  assert.deepEqual(plan([better, equal, worse, prompt])?.decode, [better, equal])
})

test('a stream that stood aside for long steps along', () => {
  const worse = candidate({ priority: 7, idleMs: 1001 })
  const prompt = candidate({ priority: 5, unread: 100 })
  assert.deepEqual(plan([worse, prompt])?.decode, [worse])
})

test('only prompts of the best rank are read', () => {
  const good = candidate({ priority: 1, unread: 10 })
  const bad = candidate({ priority: 2, unread: 10 })
  assert.deepEqual(plan([bad, good])?.read, [{ candidate: good, tokens: 10 }])
})

test('the shorter prompt goes first, and the oldest still moves', () => {
  const long = candidate({ unread: 5000 })
  const short = candidate({ unread: 20 })
  const middle = candidate({ unread: 40 })
  const shares = new Map(plan([long, middle, short])?.read.map((r) => [r.candidate, r.tokens]))
  assert.equal(shares.get(short), 20)
  assert.equal(shares.get(long), 16)
  assert.equal(shares.get(middle), 28)
})

test('a prompt is never read beyond its end and the budget never exceeded', () => {
  for (const unread of [1, 15, 16, 63, 64, 65, 1000]) {
    const read = plan([candidate({ unread }), candidate({ unread: 3 })])?.read ?? []
    const total = read.reduce((sum, { tokens }) => sum + tokens, 0)
    assert.equal(total, Math.min(64, unread + 3))
    for (const { candidate: one, tokens } of read) assert.ok(tokens <= one.unread)
  }
})

test('the budget is asked for with the number of streams and how the prompt ranks', () => {
  const asked: unknown[] = []
  const ask = (candidates: StepCandidate[]) =>
    planStep(candidates, { readBudget: (step) => asked.push(step), yieldMsMax: 1000 })
  ask([candidate({ unread: 5 })])
  ask([candidate(), candidate({ unread: 5 }), candidate({ unread: 5 })])
  ask([candidate({ priority: -1 }), candidate({ unread: 5 })])
  assert.deepEqual(asked, [
    { decoders: 0, prompts: 1, standing: 'alone' },
    { decoders: 1, prompts: 2, standing: 'equal' },
    { decoders: 1, prompts: 1, standing: 'below' },
  ])
})
