import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RANKS_PER_CLASS } from './service-class.ts'
import { notePassed, planStep, REST_TOKENS_MAX, type StepCandidate } from './step-plan.ts'

let order = 0
const candidate = (fields: Partial<StepCandidate> = {}): StepCandidate => ({
  rank: 0,
  order: order++,
  index: 0,
  unread: 0,
  toRead: fields.unread ?? 0,
  passedTokens: 0,
  paused: false,
  lastStepMs: 0,
  ...fields,
})
const ROOM = { room: 4, enough: 3, yieldMsMax: 1000, readMs: 0, backgroundShare: 0.5, nowMs: 0 }
const plan = (candidates: StepCandidate[], budget = 64) =>
  planStep(
    candidates.map((one, index) => Object.assign(one, { index })),
    { ...ROOM, readBudget: () => budget },
  )
const BATCH = 3 * RANKS_PER_CLASS
const PEOPLE = RANKS_PER_CLASS

test('all streams step together, those whose client is slow stay behind', () => {
  const streams = [candidate(), candidate({ paused: true }), candidate({ rank: 9 })]
  assert.deepEqual(plan(streams)?.decode, [streams[0], streams[2]])
  assert.equal(plan([candidate({ paused: true })]), undefined)
  assert.equal(plan([]), undefined)
})

test('while a prompt is read worse-ranked streams stand aside', () => {
  const worse = candidate({ rank: 7 })
  const prompt = candidate({ rank: 5, unread: 100 })
  assert.deepEqual(plan([worse, prompt]), {
    decode: [],
    read: [{ candidate: prompt, tokens: 64 }],
  })
})

test('a step reads or gives tokens, never both, as each is a pass of its own', () => {
  const streams = [candidate({ rank: 1 }), candidate({ rank: 5 }), candidate()]
  const prompt = candidate({ rank: 5, unread: 100 })
  assert.deepEqual(plan([...streams, prompt])?.decode, [])
  assert.deepEqual(plan([...streams, prompt], 0), { decode: streams, read: [] })
})

test('where a better or equal stream takes its turn, worse ones share it', () => {
  const better = candidate({ rank: 1 })
  const equal = candidate({ rank: 5 })
  const worse = candidate({ rank: 7 })
  const prompt = candidate({ rank: 5, unread: 100 })
  for (const stream of [better, equal]) {
    assert.deepEqual(plan([stream, worse, prompt], 0)?.decode, [stream, worse])
  }
})

test('no interactive prompt waits for a token of background work', () => {
  const person = candidate({ rank: PEOPLE })
  const batch = candidate({ rank: BATCH })
  const prompt = candidate({ rank: PEOPLE + 3, unread: 100 })
  assert.deepEqual(plan([batch, person, prompt], 0)?.decode, [person])
  const second = candidate({ rank: BATCH + 1, unread: 100 })
  assert.deepEqual(plan([batch, person, second], 0)?.decode, [batch, person])
})

test('background prompts have a part of a turn beside people, and a whole one after long', () => {
  const share = (...candidates: StepCandidate[]) => {
    let told: number | undefined
    const readBudget = ({ turnShare }: { turnShare: number }) => {
      told = turnShare
      return 1
    }
    planStep(candidates, { ...ROOM, readBudget })
    return told
  }
  const person = candidate({ rank: PEOPLE })
  const batch = candidate({ rank: BATCH })
  const prompt = candidate({ rank: BATCH, unread: 100 })
  const overdue = candidate({ rank: BATCH, unread: 100, lastStepMs: -1001 })
  assert.equal(share(person, batch, prompt), 0.5)
  assert.equal(share(person, overdue, prompt), 0.5, 'as one of them was read just now')
  assert.equal(share(person, overdue), 1)
  assert.equal(share(batch, prompt), 1)
  assert.equal(share(person, prompt, candidate({ rank: PEOPLE, unread: 100 })), 1)
})

test('of more streams than there is room for the worst class stands aside, the farthest first', () => {
  const batch = Array.from({ length: 4 }, (_, i) => candidate({ rank: 48 + ((i * 7) % 16) }))
  const people = [candidate({ rank: 20 }), candidate({ rank: 17 })]
  const streams = [...people, ...batch]
  assert.deepEqual(plan(streams)?.decode, [...people, batch[0], batch[1]])
  assert.deepEqual(plan([...batch, ...people])?.decode, [batch[2], batch[3], ...people])
})

test('where people leave nearly nothing of a step, background work waits, but not for ever', () => {
  const people = Array.from({ length: 3 }, () => candidate({ rank: PEOPLE }))
  const batch = Array.from({ length: 3 }, () => candidate({ rank: BATCH }))
  assert.deepEqual(plan([...batch, ...people])?.decode, people)
  const two = people.slice(1)
  assert.deepEqual(plan([...batch, ...two])?.decode, [batch[1], batch[2], ...two])
  const overdue = candidate({ rank: BATCH, lastStepMs: -1001 })
  assert.deepEqual(plan([...batch, overdue, ...people])?.decode, [overdue, ...people])
  const urgent = candidate({ rank: 0 })
  assert.deepEqual(plan([...people, urgent])?.decode, [...people, urgent])
})

test('streams between two neighbours come along, as a pass around them costs as much', () => {
  const person = () => candidate({ rank: PEOPLE })
  const batch = () => candidate({ rank: BATCH })
  const few = [person(), batch(), batch(), person(), batch(), batch(), batch()]
  assert.deepEqual(plan(few)?.decode, few.slice(0, 5))
  const many = [person(), batch(), batch(), batch(), batch(), batch(), person()]
  assert.deepEqual(plan(many)?.decode, [many[0], many[1], many[5], many[6]])
  const around = [person(), batch(), batch(), batch(), person()]
  assert.deepEqual(plan(around)?.decode, around)
  const apart = around.map((one, i) => Object.assign(one, { index: i < 3 ? i : i + 1 }))
  const decode = planStep(apart, { ...ROOM, readBudget: () => 0 })?.decode
  assert.deepEqual(decode, [apart[0], apart[1], apart[3], apart[4]])
})

test('streams that stood aside have their turn before others of their class', () => {
  const fresh = Array.from({ length: 5 }, () => candidate({ rank: 50 }))
  const aside = candidate({ rank: 50, lastStepMs: -1001 })
  const person = candidate({ rank: 20 })
  const decode = plan([person, ...fresh, aside])?.decode
  assert.deepEqual(decode, [person, fresh[0], fresh[1], aside])
})

test('streams of one class all step, however many they are', () => {
  const streams = Array.from({ length: 9 }, (_, i) => candidate({ rank: 16 + i }))
  assert.deepEqual(plan(streams)?.decode, streams)
})

test('a stream that stood aside for long steps along', () => {
  const worse = candidate({ rank: 7, lastStepMs: -1001 })
  const prompt = candidate({ rank: 5, unread: 100 })
  assert.deepEqual(plan([worse, prompt], 0)?.decode, [worse])
})

test('only prompts of the best rank are read while people wait for them', () => {
  const good = candidate({ rank: 1, unread: 10 })
  const bad = candidate({ rank: 2, unread: 10 })
  assert.deepEqual(plan([bad, good])?.read, [{ candidate: good, tokens: 10 }])
})

test('what the best batch prompts leave of a step goes to those of the next ranks', () => {
  const last = candidate({ rank: BATCH + 2, unread: 100 })
  const next = candidate({ rank: BATCH + 1, unread: 30 })
  const best = candidate({ rank: BATCH, unread: 10 })
  assert.deepEqual(plan([last, next, best])?.read, [
    { candidate: best, tokens: 10 },
    { candidate: next, tokens: 30 },
    { candidate: last, tokens: 24 },
  ])
  assert.deepEqual(plan([next, candidate({ rank: BATCH, unread: 64 })])?.read.length, 1)
  const person = candidate({ rank: PEOPLE, unread: 10 })
  assert.deepEqual(plan([best, person])?.read, [{ candidate: person, tokens: 10 }])
})

test('short prompts go first in order of arrival, of long ones the shorter remainder', () => {
  const long = candidate({ unread: 5000 })
  const middle = candidate({ unread: 30 })
  const short = candidate({ unread: 18 })
  assert.deepEqual(plan([short, middle, long])?.read, [
    { candidate: middle, tokens: 30 },
    { candidate: short, tokens: 18 },
    { candidate: long, tokens: 16 },
  ])
  const longs = [candidate({ unread: 900 }), candidate({ unread: 400 })]
  assert.deepEqual(plan(longs)?.read, [{ candidate: longs[1], tokens: 64 }])
})

test('later prompts pass one until they have had eight times its length, however many come', () => {
  const before = candidate({ unread: 70, toRead: 300 })
  const long = candidate({ unread: 500 })
  let [steps, passed] = [0, 0]
  for (; long.unread > 0; steps++) {
    const later = [candidate({ unread: 20 }), candidate({ unread: 100 })]
    const waiting = [before, long, ...later].filter(({ unread }) => unread > 0)
    const read = plan(waiting)?.read ?? []
    notePassed(waiting, read)
    for (const piece of read) piece.candidate.unread -= piece.tokens
    passed += read
      .filter((piece) => piece.candidate.order > long.order)
      .reduce((sum, { tokens }) => sum + tokens, 0)
    assert.ok(steps < 300, 'it starves')
  }
  assert.equal(before.unread, 0, 'and whoever was there before it is not held up')
  assert.ok(passed >= 4000 && passed <= 4000 + 64 + REST_TOKENS_MAX, `${passed}`)
})

test('a prompt of better rank takes nothing from what later ones may pass', () => {
  const waiting = candidate({ rank: 5, unread: 500 })
  const better = candidate({ rank: 1, unread: 64 })
  notePassed([waiting, better], [{ candidate: better, tokens: 64 }])
  assert.equal(waiting.passedTokens, 0)
})

test('no short prompt is begun with what others leave of a step, as its rest would be one more pass', () => {
  const first = candidate({ unread: 50 })
  const second = candidate({ unread: 50 })
  assert.deepEqual(plan([second, first])?.read, [{ candidate: first, tokens: 50 }])
})

test('a prompt is never read beyond its end and the budget hardly exceeded', () => {
  for (const unread of [1, 15, 16, 63, 64, 65, 1000]) {
    const read = plan([candidate({ unread }), candidate({ unread: 3 })])?.read ?? []
    const total = read.reduce((sum, { tokens }) => sum + tokens, 0)
    assert.ok(total <= 64 + REST_TOKENS_MAX, `${total}`)
    for (const { candidate: one, tokens } of read) assert.ok(tokens <= one.unread)
  }
})

test('a short rest of a prompt is read along', () => {
  const tokens = (unread: number) => plan([candidate({ unread })], 20)?.read[0]?.tokens
  assert.deepEqual([20, 21, 30, 31, 400].map(tokens), [20, 21, 30, 20, 20])
  const long = plan([candidate({ unread: 120 })], 100)?.read[0]?.tokens
  assert.equal(long, 100, 'and no more than a batch holds')
})

test('the budget is asked for with the number of streams and how the prompt ranks', () => {
  const asked: unknown[] = []
  const ask = (candidates: StepCandidate[]) =>
    planStep(candidates, { ...ROOM, readMs: 7, readBudget: (step) => asked.push(step) })
  ask([candidate({ unread: 5 })])
  ask([candidate(), candidate({ unread: 5 }), candidate({ unread: 5 })])
  ask([candidate({ rank: -1 }), candidate({ unread: 5, toRead: 500 })])
  ask([candidate({ rank: BATCH, unread: 5 })])
  const whole = { readMs: 7, turnShare: 1 }
  assert.deepEqual(asked, [
    { ...whole, decoders: 0, prompts: 1, areShort: true, standing: 'alone' },
    { ...whole, decoders: 1, prompts: 2, areShort: true, standing: 'equal' },
    { ...whole, decoders: 1, prompts: 1, areShort: false, standing: 'below' },
    { ...whole, decoders: 0, prompts: 1, areShort: true, standing: 'background' },
  ])
})
