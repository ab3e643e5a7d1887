/** What is kept, for how long, and who loses first where there is no room. */
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { FakeClock } from '../../base/index.ts'
import { type KeptAnswer, KeptAnswers } from './kept-answers.ts'
import { newTape } from './tape.ts'

/** Room for eight of the answers below. */
const BYTES_MAX = 8 * 1024
let clock: FakeClock
let kept: KeptAnswers

beforeEach(() => {
  clock = new FakeClock()
  kept = new KeptAnswers(clock, BYTES_MAX)
})

const answer = (bytes = 512): KeptAnswer => {
  const tape = {
    ...newTape(),
    isComplete: true,
    chunks: [Buffer.alloc(bytes / 2, 1), Buffer.alloc(bytes / 2, 2)],
  }
  return {
    requestId: 'req_1',
    bodyDigest: '',
    tape,
    route: undefined,
    guards: undefined,
    usage: null,
  }
}
const fill = (tenantId: string, from: number, to: number) => {
  for (let key = from; key < to; key++) kept.keep(tenantId, `${key}`, answer(), 1000)
}
const heldOf = (tenantId: string, to: number) =>
  Array.from({ length: to }, (_, key) => `${key}`).filter((key) => kept.find(tenantId, key))

test('an answer is found whole until its time is over, by its tenant only', () => {
  kept.keep('anna', 'k', answer(), 1000)
  const found = kept.find('anna', 'k')
  assert.deepEqual(found?.tape.chunks, [Buffer.concat(answer().tape.chunks)])
  assert.equal(kept.find('ben', 'k'), undefined)
  clock.advance(999)
  assert.ok(kept.find('anna', 'k'))
  clock.advance(1)
  assert.equal(kept.find('anna', 'k'), undefined)
  assert.ok(kept.bytes > 0)
  kept.forgetOld()
  assert.equal(kept.bytes, 0)
})

test('the tenant that holds most makes room, with its oldest', () => {
  fill('anna', 0, 2)
  fill('flood', 0, 20)
  assert.deepEqual(heldOf('anna', 2), ['0', '1'])
  assert.deepEqual(heldOf('flood', 20), ['14', '15', '16', '17', '18', '19'])
  assert.equal(kept.bytes, BYTES_MAX)
  fill('anna', 2, 4)
  assert.deepEqual(heldOf('anna', 4), ['0', '1', '2', '3'])
  assert.deepEqual(heldOf('flood', 20), ['16', '17', '18', '19'])
})

test('an answer with more than an eighth of the room is not kept, nor is the one before it', () => {
  kept.keep('anna', 'k', answer(), 1000)
  kept.keep('anna', 'k', answer(514), 1000)
  assert.equal(kept.find('anna', 'k'), undefined)
  assert.equal(kept.bytes, 0)
})

test('no time means that nothing is kept', () => {
  kept.keep('anna', 'k', answer(), 0)
  assert.equal(kept.bytes, 0)
})
