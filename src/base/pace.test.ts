import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pace } from './pace.ts'

const learned = (decodeMs: number, msPerToken: number) => {
  const pace = new Pace({ readTokensMax: 512, readStepMs: 250 })
  for (let i = 0; i < 50; i++) {
    pace.record(decodeMs, 7, [])
    pace.record(64 * msPerToken, 0, [{ position: 0, tokens: 64 }])
  }
  return pace
}
const begin = { position: 0, unread: 1800 }
const step = { prompts: 1, areShort: false, readMs: 0, turnShare: 1 }

test('between two tokens of equal streams up to 1.75 of their steps are read', () => {
  const pace = learned(45, 1.5)
  const tokens = pace.readBudget({ ...step, decoders: 7, standing: 'equal' }, begin)
  assert.ok(tokens * 1.5 <= 1.75 * 45 && tokens * 1.5 > 70, `${tokens}`)
})

test('beside better streams it is less, with nobody to wait it grows to the aim', () => {
  const pace = learned(45, 1.5)
  const budget = (standing: 'alone' | 'equal' | 'below') =>
    pace.readBudget({ ...step, decoders: standing === 'alone' ? 0 : 7, standing }, begin)
  assert.ok(budget('below') < budget('equal'))
  assert.ok(budget('equal') < budget('alone'))
  assert.ok(budget('alone') * 1.5 <= 250 && budget('alone') * 1.5 > 230)
})

test('background prompts are read in pieces of a step, even with nobody else there', () => {
  const pace = learned(45, 1.5)
  const alone = pace.readBudget({ ...step, decoders: 0, standing: 'background' }, begin)
  assert.ok(alone * 1.5 <= 45 && alone * 1.5 > 40, `${alone}`)
  const beside = pace.readBudget({ ...step, decoders: 7, standing: 'background' }, begin)
  assert.ok(beside * 1.5 <= 45, `${beside}`)
  const second = pace.readBudget(
    { ...step, decoders: 7, standing: 'background', readMs: 45 },
    begin,
  )
  assert.ok(second > 0, 'but more than one of them in a turn')
})

test('a part of a turn is as much shorter, and none where it is hardly worth a step', () => {
  const pace = learned(45, 1.5)
  const tokens = (turnShare: number) =>
    pace.readBudget({ ...step, decoders: 7, standing: 'background', turnShare }, begin)
  // Of two steps of 45 ms.
  assert.ok(tokens(0.4) * 1.5 <= 36 && tokens(0.4) * 1.5 > 30, `${tokens(0.4)}`)
  assert.equal(tokens(0.2), 0)
  assert.equal(tokens(0), 0)
})

test('a pass of streams not known yet is on the line between those known', () => {
  const pace = new Pace({ readTokensMax: 512, readStepMs: 250 })
  assert.equal(pace.passMs(4), 0, 'nothing is known')
  pace.record(20, 4, [])
  assert.equal(pace.passMs(2), 20, 'fewer are as slow')
  assert.equal(pace.passMs(8), 40, 'more are slower by as much as they are more')
  pace.record(28, 8, [])
  assert.equal(pace.passMs(6), 24)
  assert.equal(pace.passMs(16), 56)
  assert.equal(pace.streamMs(8), 3.5, 'a stream takes its part of it')
})

test('prompts and streams take turns, whatever either costs', () => {
  for (const [decodeMs, msPerToken] of [
    [45, 1.5],
    [70, 6],
    [5, 0.01],
    [600, 20],
  ] as const) {
    const pace = learned(decodeMs, msPerToken)
    for (const standing of ['equal', 'below', 'background'] as const) {
      const budget = (readMs: number) =>
        pace.readBudget({ ...step, decoders: 7, standing, readMs }, begin)
      const first = budget(0)
      assert.ok(first > 0, 'after a step of the streams something is read')
      let readMs = 0
      for (let n = 0; n < 10 && budget(readMs) > 0; n++) readMs += budget(readMs) * msPerToken
      assert.equal(budget(readMs), 0, 'then it is their turn again')
    }
  }
})

test('short prompts that come together are read before others have their next token', () => {
  const pace = learned(45, 6)
  const budget = (areShort: boolean, readMs: number) =>
    pace.readBudget(
      { ...step, decoders: 7, prompts: 4, areShort, standing: 'equal', readMs },
      begin,
    )
  assert.ok(budget(true, 300) > 0)
  assert.equal(budget(true, 500), 0, 'but not for ever')
  assert.equal(budget(false, 300), 0)
  assert.ok(budget(true, 0) * 6 <= 250, 'a step stays short enough to let others in')
})

test('a step reads one of the prompts of people, so that none waits for those behind it', () => {
  const pace = learned(45, 6)
  const short = { position: 0, unread: 20 }
  const several = { ...step, prompts: 4, areShort: true }
  assert.equal(pace.readBudget({ ...several, decoders: 0, standing: 'alone' }, short), 20)
  assert.equal(pace.readBudget({ ...several, decoders: 7, standing: 'equal' }, short), 20)
  const none = { position: 0, unread: 2 }
  assert.ok(pace.readBudget({ ...several, decoders: 7, standing: 'background' }, none) > 2)
})

test('where more wait for a first token than for a next one, more is read', () => {
  const pace = learned(10, 1)
  const few = pace.readBudget({ ...step, decoders: 1, standing: 'equal' }, begin)
  const many = pace.readBudget({ ...step, decoders: 1, prompts: 7, standing: 'equal' }, begin)
  assert.ok(many > 2 * few)
})

test('late in a long prompt fewer tokens are read, so that streams wait no longer', () => {
  const pace = new Pace({ readTokensMax: 512, readStepMs: 250 })
  const msOf = (position: number, tokens: number) =>
    tokens * (6 + (9 * (position + tokens / 2)) / 1024)
  const equal = { ...step, decoders: 7, standing: 'equal' } as const
  const turns: { tokens: number; ms: number }[] = []
  for (let position = 0; position < 1800; ) {
    pace.record(70, 7, [])
    const tokens = Math.min(
      1800 - position,
      pace.readBudget(equal, { position, unread: 1800 - position }),
    )
    const ms = msOf(position, tokens)
    pace.record(ms, 0, [{ position, tokens }])
    if (position > 0) turns.push({ tokens, ms })
    position += tokens
  }
  for (const { ms } of turns) assert.ok(ms <= 1.1 * 1.75 * 70, `${ms}`)
  assert.ok((turns[0]?.tokens ?? 0) > 2 * (turns.at(-2)?.tokens ?? 0))
  assert.ok((turns.at(-2)?.ms ?? 0) > 0.8 * 1.75 * 70, 'and what there is time for is read')
})

test('one disturbed step does not change the pace', () => {
  const pace = learned(20, 1)
  const before = pace.readBudget({ ...step, decoders: 7, standing: 'equal' }, begin)
  pace.record(2000, 0, [{ position: 0, tokens: 64 }])
  pace.record(2000, 7, [])
  const after = pace.readBudget({ ...step, decoders: 7, standing: 'equal' }, begin)
  assert.ok(after >= 16 && after < 6 * before)
})

test('the budget stays within the batch, before anything is known too', () => {
  const pace = new Pace({ readTokensMax: 40, readStepMs: 250 })
  assert.equal(pace.readBudget({ ...step, decoders: 0, standing: 'alone' }, begin), 40)
  pace.record(1, 0, [{ position: 0, tokens: 40 }])
  assert.equal(pace.readBudget({ ...step, decoders: 0, standing: 'alone' }, begin), 40)
})

test('what moves take is learned from those that were made', () => {
  const pace = new Pace({ readTokensMax: 512, readStepMs: 250 })
  const firstMs = pace.moveMs
  for (let i = 0; i < 100; i++) pace.recordMove(20)
  assert.ok(pace.moveMs > 19.9 && firstMs < 2)
})
