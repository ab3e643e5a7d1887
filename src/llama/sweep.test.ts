import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Token } from 'node-llama-cpp'
import { FakeClock, systemClock } from '../base/index.ts'
import { calibrate, streamCounts } from './calibration.ts'
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
  canMove = () => false
  moveTo = async () => false

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
  const row = await measure(2, 1, 5, 'mixed')
  assert.ok(row.serviceUnitsPerS > 0)
  assert.ok(row.meanTokenGapP95Ms > 0)
})

/** Moves a little at every look, so that whoever waits for a quiet moment finds one. */
class PassingClock extends FakeClock {
  override monotonicMs(): number {
    this.advance(0.01)
    return super.monotonicMs()
  }
}

/** Takes 1.5 ms for a token that it reads and 2 ms for one that it writes. */
class TimedRunner implements Runner {
  #held: Token[] = []
  readonly #clock: FakeClock

  constructor(clock: FakeClock) {
    this.#clock = clock
  }

  commonPrefix(tokens: readonly Token[]): number {
    const at = tokens.findIndex((token, i) => token !== this.#held[i])
    return at < 0 ? tokens.length : at
  }

  heldTokens = () => this.#held.length
  keep = async (keep: number) => {
    this.#held.length = Math.min(keep, this.#held.length)
    return this.#held.length
  }
  read = async (tokens: Token[]) => {
    this.#held.push(...tokens)
    this.#clock.advance(1.5 * tokens.length)
  }
  start = async (tokens: Token[]) => {
    await this.read(tokens)
    return { token: 1 as Token }
  }
  next = async () => {
    this.#held.push(1 as Token)
    this.#clock.advance(2)
    return { token: 1 as Token }
  }
  finish = async () => undefined
  canFill = () => false
  fill = async () => undefined
  filledTokens = () => 0
  canMove = () => false
  moveTo = async () => false
}

test('the capacity is what a loop of requests that come and go does for long', async () => {
  const clock = new PassingClock()
  const newSweep = () =>
    sweepWith({
      clock,
      prompt: () => Array.from({ length: 24 }, (_, i) => i as Token),
      open: async () => ({
        runners: Array.from({ length: 16 }, () => new TimedRunner(clock)),
        threads: new ThreadChoice({ few: 1, all: 1 }),
        setThreads: () => undefined,
        close: async () => undefined,
      }),
      onStep: () => undefined,
    })
  const found = await calibrate(newSweep(), {
    counts: streamCounts(),
    threadCounts: [1],
    durationMs: 20_000,
    clock,
  })
  assert.ok(found)
  const long = await newSweep()(16, 1, 120_000, 'mixed')
  const share = found.capacityUnitsPerS / long.serviceUnitsPerS
  assert.ok(share > 0.9 && share < 1.1, `${found.capacityUnitsPerS} of ${long.serviceUnitsPerS}`)
  // Prompts of 15 tokens and answers of 20, in the mean.
  const ideal = (1000 * (15 + 2 * 20)) / (15 * 1.5 + 20 * 2)
  assert.ok(Math.abs(long.serviceUnitsPerS / ideal - 1) < 0.1, `${long.serviceUnitsPerS}`)
})

test('streams that only write are measured while they do', async () => {
  const clock = new PassingClock()
  const measure = sweepWith({
    clock,
    prompt: () => Array.from({ length: 24 }, (_, i) => i as Token),
    open: async () => ({
      runners: Array.from({ length: 16 }, () => new TimedRunner(clock)),
      threads: new ThreadChoice({ few: 1, all: 1 }),
      setThreads: () => undefined,
      close: async () => undefined,
    }),
    onStep: () => undefined,
  })
  for (const streams of [1, 4, 16]) {
    const row = await measure(streams, 1, 1200, 'writing')
    assert.ok(Math.abs(row.meanTokenGapP95Ms / (2 * streams) - 1) < 0.1, `${row.meanTokenGapP95Ms}`)
    assert.ok(row.tokensPerS > 450 && row.tokensPerS < 510, `${row.tokensPerS}`)
  }
})
