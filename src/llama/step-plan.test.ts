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
  planStep(candidates, { readBudget: () => budget, room: 4, yieldMsMax: 1000 })

test('all streams step together, those whose client is slow stay behind', () => {
  const streams = [candidate(), candidate({ paused: true }), candidate({ priority: 9 })]
  assert.deepEqual(plan(streams)?.decode, [streams[0], streams[2]])
  assert.equal(plan([candidate({ paused: true })]), undefined)
  assert.equal(plan([]), undefined)
})

test('while a prompt is read worse-ranked streams stand aside', () => {
  const worse = candidate({ priority: 7 })
  const prompt = candidate({ priority: 5, unread: 100 })
  assert.deepEqual(plan([worse, prompt])?.decode, [])
})

test('where a better or equal stream steps along, worse ones do, at hardly any price', () => {
  const better = candidate({ priority: 1 })
  const equal = candidate({ priority: 5 })
  const worse = candidate({ priority: 7 })
  const prompt = candidate({ priority: 5, unread: 100 })
  for (const stream of [better, equal]) {
    assert.deepEqual(plan([stream, worse, prompt])?.decode, [stream, worse])
  }
})

test('of more streams than there is room for the worst class stands aside, the last ones first', () => {
  const batch = Array.from({ length: 4 }, (_, i) => candidate({ priority: 48 + ((i * 7) % 16) }))
  const people = [candidate({ priority: 20 }), candidate({ priority: 17 })]
  const streams = [...batch, ...people]
  assert.deepEqual(plan(streams)?.decode, [batch[0], batch[1], ...people])
})

test('streams that stood aside have their turn before others of their class', () => {
  const fresh = Array.from({ length: 3 }, () => candidate({ priority: 50 }))
  const aside = candidate({ priority: 50, idleMs: 1001 })
  const person = candidate({ priority: 20 })
  const decode = plan([...fresh, aside, person])?.decode
  assert.deepEqual(decode, [fresh[0], fresh[1], aside, person])
})

test('streams of one class all step, however many they are', () => {
  const streams = Array.from({ length: 9 }, (_, i) => candidate({ priority: 16 + i }))
  assert.deepEqual(plan(streams)?.decode, streams)
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
    planStep(candidates, { readBudget: (step) => asked.push(step), room: 4, yieldMsMax: 1000 })
  ask([candidate({ unread: 5 })])
  ask([candidate(), candidate({ unread: 5 }), candidate({ unread: 5 })])
  ask([candidate({ priority: -1 }), candidate({ unread: 5 })])
  assert.deepEqual(asked, [
    { decoders: 0, prompts: 1, standing: 'alone' },
    { decoders: 1, prompts: 2, standing: 'equal' },
    { decoders: 1, prompts: 1, standing: 'below' },
  ])
})
