import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../base/index.ts'
import { ThreadChoice } from './thread-choice.ts'

/** A machine on which a step takes so long by its threads, as a part of what is expected. */
class Machine {
  readonly choice = new ThreadChoice({ few: 1, all: 2 })
  readonly #random = seededRandom(7)
  nowMs = 0
  times = { 1: 1, 2: 0.6 }
  /** What the pace has learned: it follows what steps take, quickly down and slowly up. */
  #expected = 1

  /** @returns how many of the steps in that time had two threads */
  run(forMs: number): number {
    const untilMs = this.nowMs + forMs
    let steps = 0
    let both = 0
    while (this.nowMs < untilMs) {
      const threads = this.choice.next(this.nowMs) as 1 | 2
      const chance = 0.9 + 0.2 * this.#random.next()
      const time = this.times[threads] * chance
      this.nowMs += 40 * time
      this.choice.note(this.nowMs, time / this.#expected)
      if (!this.choice.isTrying) {
        this.#expected += (time < this.#expected ? 0.5 : 0.05) * (time - this.#expected)
      }
      steps++
      if (threads === 2) both++
    }
    return both / steps
  }
}

test('all cores compute while that is quicker, and a trial of fewer costs next to nothing', () => {
  assert.ok(new Machine().run(120_000) > 0.99)
})

test('while another program needs a core, one is left free within a second', () => {
  const machine = new Machine()
  machine.run(60_000)
  machine.times = { 1: 1.1, 2: 5 }
  machine.run(2000)
  assert.ok(machine.run(60_000) < 0.02)
})

test('trials in vain become rare', () => {
  const machine = new Machine()
  machine.times = { 1: 1, 2: 5 }
  machine.run(120_000)
  // One step of each trial shows enough.
  assert.ok(machine.run(120_000) < 0.002)
})

test('when the other program is gone all cores compute again', () => {
  const machine = new Machine()
  machine.times = { 1: 1, 2: 5 }
  machine.run(300_000)
  machine.times = { 1: 1, 2: 0.6 }
  machine.run(61_000)
  assert.ok(machine.run(20_000) > 0.97)
})

test('where both are as quick, the core is left free', () => {
  const machine = new Machine()
  machine.times = { 1: 0.97, 2: 1 }
  machine.run(300_000)
  assert.ok(machine.run(60_000) < 0.1)
})

test('where there is nothing to choose nothing is tried', () => {
  const choice = new ThreadChoice({ few: 3, all: 3 })
  for (let nowMs = 0; nowMs < 100_000; nowMs += 100) {
    assert.equal(choice.next(nowMs), 3)
    choice.note(nowMs, nowMs % 700 === 0 ? 9 : 1)
    assert.equal(choice.isTrying, false)
  }
})
