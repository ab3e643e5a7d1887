import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pace } from '../base/index.ts'
import { type CountingRunner, prompt, request, setUp } from './driver.fixture.ts'
import type { Driver } from './driver.ts'

/** Of however many sequences a pass is, it takes as long. */
class EqualPasses extends Pace {
  override passMs(): number {
    return 10
  }
}

/** A move takes as long as two of them. */
class SlowMoves extends EqualPasses {
  override get moveMs(): number {
    return 20
  }
}

function movable(slots: number, Paced = EqualPasses) {
  const all = setUp(slots, 10, Paced)
  for (const runner of all.runners) runner.movesUpTo = 1000
  return all
}

/** Three answers of which the middle one ends first. */
const threeAnswers = (driver: Driver) =>
  [20, 3, 10].map((tokensMax, i) =>
    driver.run(request(10, { tokensMax, cacheSalt: String(i), prompt: prompt(10, 100 * i) })),
  )

test('streams are brought together when one between them has ended', async () => {
  const { driver, log, decoded } = movable(3)
  assert.deepEqual(await Promise.all(threeAnswers(driver)), ['length', 'length', 'length'])
  assert.deepEqual(
    log.filter((line) => line.includes(' to ')),
    ['c to b'],
  )
  assert.equal(log.filter((line) => line === 'c next').length, 2)
  assert.equal(log.filter((line) => line === 'b next').length, 2 + 7)
  // In one pass, as before.
  const together = decoded.filter((count) => count === 2).length
  assert.equal(together, 7)
})

test('nothing moves where that takes longer than the passes that it spares', async () => {
  const { driver, log } = movable(3, SlowMoves)
  assert.deepEqual(await Promise.all(threeAnswers(driver)), ['length', 'length', 'length'])
  assert.ok(!log.some((line) => line.includes(' to ')))
})

test('a sequence that cannot be moved after all goes on where it is', async () => {
  const { driver, log, runners } = movable(3)
  for (const runner of runners) runner.staysAt = 'c'
  assert.deepEqual(await Promise.all(threeAnswers(driver)), ['length', 'length', 'length'])
  assert.equal(log.filter((line) => line === 'c next').length, 9)
})

test('one that is lost while it is moved fails alone', async () => {
  const { driver, runners } = movable(3)
  const [first, second, third] = threeAnswers(driver)
  await second
  const [, , last] = runners as [CountingRunner, CountingRunner, CountingRunner]
  last.failNext = true
  await assert.rejects(third as Promise<unknown>, { code: 'engine_failed' })
  assert.equal(await first, 'length')
  last.failNext = false
  assert.equal(await driver.run(request(10)), 'length')
})
