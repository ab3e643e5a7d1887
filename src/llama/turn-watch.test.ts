import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Token } from 'node-llama-cpp'
import { FakeClock, Pace } from '../base/index.ts'
import { until } from '../base/test-eventually.ts'
import { Driver } from './driver.ts'
import type { Exchange } from './http-server.ts'
import { handleHealth } from './info-routes.ts'
import type { Runner } from './runner.ts'
import { forcedRequest } from './sweep.ts'
import { ThreadChoice } from './thread-choice.ts'

/** Computes for as long as the test wants. */
class HeldRunner implements Runner {
  held = Promise.withResolvers<void>()
  steps = 0
  commonPrefix = () => 0
  heldTokens = () => 0
  keep = async () => 0
  read = async () => undefined
  start = () => this.next()
  next = async () => {
    this.steps++
    await this.held.promise
    return { token: 1 as Token }
  }
  finish = async () => undefined
  canFill = () => false
  fill = async () => undefined
  filledTokens = () => 0
  canMove = () => false
  moveTo = async () => false
}

/** A driver of one sequence, a way to begin a step, and what its health says. */
function setUp() {
  const clock = new FakeClock()
  const runner = new HeldRunner()
  const driver = new Driver({
    runners: [runner],
    clock,
    pace: new Pace({ readTokensMax: 64, readStepMs: 250 }),
    threads: new ThreadChoice({ few: 1, all: 1 }),
    setThreads: () => undefined,
    waitingMax: 1,
    room: 1,
    enough: 1,
    yieldMsMax: 1000,
    isEndToken: () => false,
    onStep: () => undefined,
  })
  const begin = async () => {
    const ended = driver.run(forcedRequest([1 as Token], 1, ''))
    await until(() => {
      clock.advance(1)
      return runner.steps > 0
    })
    return ended
  }
  const health = () => {
    let body: object = {}
    handleHealth({ driver }, { sendJson: (sent: object) => (body = sent) } as unknown as Exchange)
    return body
  }
  return { clock, runner, driver, begin, health }
}

test('a step that does not end for a minute is told as a hang, and not any more once it has', async () => {
  const { clock, runner, begin, health } = setUp()
  assert.deepEqual(health(), { status: 'ok' }, 'nothing is under way')
  clock.advance(600_000)
  const ended = begin()
  await until(() => runner.steps > 0)
  clock.advance(59_000)
  assert.deepEqual(health(), { status: 'ok' })
  clock.advance(2000)
  assert.throws(health, { code: 'engine_failed' })
  runner.held.resolve()
  await ended
  assert.deepEqual(health(), { status: 'ok' })
})

test('where steps have taken that long before, ten times as long is waited', async () => {
  const { clock, runner, begin, health } = setUp()
  const first = begin()
  await until(() => runner.steps > 0)
  clock.advance(20_000)
  runner.held.resolve()
  await first
  runner.held = Promise.withResolvers()
  runner.steps = 0
  const second = begin()
  await until(() => runner.steps > 0)
  clock.advance(190_000)
  assert.deepEqual(health(), { status: 'ok' })
  clock.advance(20_000)
  assert.throws(health, { code: 'engine_failed' })
  runner.held.resolve()
  await second
})
