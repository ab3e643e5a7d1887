import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pace } from './pace.ts'

const learned = (decodeMs: number, msPerToken: number) => {
  const pace = new Pace({ readTokensMax: 512, readStepMs: 250 })
  for (let i = 0; i < 50; i++) {
    pace.record(decodeMs, 7, 0)
    pace.record(decodeMs + 64 * msPerToken, 7, 64)
  }
  return pace
}

test('beside equal streams a step grows to at most three times a decoding step', () => {
  const pace = learned(45, 1.5)
  const tokens = pace.readBudget({ decoders: 7, prompts: 1, standing: 'equal' })
  const stepMs = 45 + tokens * 1.5
  assert.ok(stepMs <= 3.05 * 45 && stepMs > 2 * 45, `${stepMs}`)
})

test('beside better streams it grows less, with nobody to wait it grows to the aim', () => {
  const pace = learned(45, 1.5)
  const budget = (standing: 'alone' | 'equal' | 'below') =>
    pace.readBudget({ decoders: standing === 'alone' ? 0 : 7, prompts: 1, standing })
  assert.ok(budget('below') < budget('equal'))
  assert.ok(budget('equal') < budget('alone'))
  assert.ok(Math.abs(budget('alone') * 1.5 - 250) < 5)
})

test('where more wait for a first token than for a next one, more is read', () => {
  const pace = learned(10, 1)
  const few = pace.readBudget({ decoders: 1, prompts: 1, standing: 'equal' })
  const many = pace.readBudget({ decoders: 1, prompts: 7, standing: 'equal' })
  assert.ok(many > 2 * few)
})

test('one disturbed step does not change the pace', () => {
  const pace = learned(20, 1)
  const before = pace.readBudget({ decoders: 7, prompts: 1, standing: 'equal' })
  pace.record(2000, 7, 64)
  pace.record(2000, 7, 0)
  const after = pace.readBudget({ decoders: 7, prompts: 1, standing: 'equal' })
  assert.ok(after >= 32 && after < 6 * before)
})

test('the budget stays within the batch, before anything is known too', () => {
  const pace = new Pace({ readTokensMax: 40, readStepMs: 250 })
  assert.equal(pace.readBudget({ decoders: 0, prompts: 1, standing: 'alone' }), 40)
  pace.record(1, 0, 40)
  assert.equal(pace.readBudget({ decoders: 0, prompts: 1, standing: 'alone' }), 40)
})
