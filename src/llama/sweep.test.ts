import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Token } from 'node-llama-cpp'
import { systemClock } from '../base/index.ts'
import type { Runner } from './runner.ts'
import { sweepWith } from './sweep.ts'
import { ThreadChoice } from './thread-choice.ts'

/** Every step takes longer than the whole measurement is to take. */
class SlowRunner implements Runner {
  #held = 0
  commonPrefix = () => 0
  heldTokens = () => this.#held
  keep = async () => {
    this.#held = 0
    return 0
  }
  read = async (tokens: Token[]) => {
    await this.#compute(tokens.length)
  }
  start = (tokens: Token[]) => this.#compute(tokens.length)
  next = () => this.#compute(1)
  finish = async () => undefined
  canFill = () => false
  fill = async () => undefined
  filledTokens = () => 0

  async #compute(tokens: number) {
    await systemClock.sleep(20)
    this.#held += tokens
    return { token: 1 as Token }
  }
}

test('a model that reads a prompt for longer than is measured is waited for', async () => {
  const measure = sweepWith({
    clock: systemClock,
    prompt: () => Array.from({ length: 20 }, (_, i) => i as Token),
    open: async () => ({
      runners: Array.from({ length: 16 }, () => new SlowRunner()),
      threads: new ThreadChoice({ few: 1, all: 1 }),
      setThreads: () => undefined,
      close: async () => undefined,
    }),
    onStep: () => undefined,
  })
  const row = await measure(2, 1, 5)
  assert.ok(row.serviceUnitsPerS > 0)
  assert.ok(row.meanTokenGapP95Ms > 0)
})
