import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pace, systemClock } from '../base/index.ts'
import { until } from '../base/test-eventually.ts'
import { InTurns, request, setUp } from './driver.fixture.ts'
import type { Driver } from './driver.ts'
import { newProgress } from './engine.ts'
import type { GenerationRequest } from './generation.ts'
import { ThreadChoice } from './thread-choice.ts'

test('a prompt is read in pieces and then generates up to its limit', async () => {
  const { driver, log } = setUp(1)
  const one = request(100)
  assert.equal(await driver.run(one), 'length')
  assert.deepEqual(log, ['a read 40', 'a read 40', 'a start 20', 'a next', 'a next'])
  assert.equal(one.progress.completionTokens, 3)
  assert.deepEqual(driver.counts, { running: 0, waiting: 0, slots: 1 })
})

test('a better-ranked prompt is read before the next step of worse-ranked streams', async () => {
  const { driver, log } = setUp(2)
  let urgent: Promise<string> | undefined
  const slow = request(10, {
    priority: 5,
    tokensMax: 6,
    onToken: () => {
      urgent ??= driver.run(request(100, { priority: 1, cacheSalt: 'other' }))
      return true
    },
  })
  await driver.run(slow)
  await urgent
  const start = log.indexOf('b read 40')
  assert.deepEqual(log.slice(start, start + 3), ['b read 40', 'b read 40', 'b start 20'])
  assert.ok(log.lastIndexOf('a next') > start)
})

/** Every pass but one of a single stream takes as long as any other. */
class InPasses extends Pace {
  override passMs = (streams: number) => Math.min(streams, 1.5)
}

/** Streams on the first and the third sequence, after one between them has ended. */
async function apart(driver: Driver) {
  const ask = (cacheSalt: string, tokensMax: number) =>
    driver.run(request(5, { cacheSalt, tokensMax }))
  const streams = [ask('first', 12), ask('second', 1), ask('third', 12)]
  await streams[1]
  return Promise.all([streams[0], streams[2]])
}

test('streams whose sequences are no neighbours step by themselves, in turn', async () => {
  const { driver, log, decoded } = setUp(3)
  await apart(driver)
  const steps = log.filter((line) => line.endsWith('next'))
  assert.deepEqual(steps, Array.from({ length: 11 }, () => ['a next', 'c next']).flat())
  assert.deepEqual(new Set(decoded), new Set([0, 1]))
})

test('a stream that is to stop ends before its next turn', async () => {
  const { driver, log } = setUp(3)
  let received = 0
  const ask = (cacheSalt: string, tokensMax: number, onToken = () => true) =>
    driver.run(request(5, { cacheSalt, tokensMax, onToken }))
  const first = ask('first', 12, () => ++received < 4)
  const between = ask('second', 1)
  const third = ask('third', 12)
  await between
  assert.equal(await first, 'stopped')
  assert.equal(await third, 'length')
  assert.equal(received, 4)
  // The token after the last one that was wanted would have been computed for nobody.
  assert.equal(log.filter((line) => line === 'a next').length, 3)
})

test('where one pass is cheaper, a sequence between two streams is computed along', async () => {
  const { driver, log, runners, decoded } = setUp(3, 10, InPasses)
  await apart(driver)
  const steps = log.slice(log.indexOf('b fill')).filter((line) => !line.includes('start'))
  assert.deepEqual(steps, Array.from({ length: 11 }, () => ['b fill', 'a next', 'c next']).flat())
  assert.deepEqual(new Set(decoded), new Set([0, 2]))
  // What was computed for nobody is no part of what it holds.
  assert.equal(runners[1]?.held.length, 5)
  assert.equal(await driver.run(request(6, { cacheSalt: 'second' })), 'length')
  assert.equal(runners[1]?.filled, 0)
})

test('what was computed for nobody is dropped before it grows long', async () => {
  const { driver, log, runners } = setUp(3, 10, InPasses)
  let filledMost = 0
  const onToken = () => {
    filledMost = Math.max(filledMost, runners[1]?.filled ?? 0)
    return true
  }
  const ask = (cacheSalt: string, tokensMax: number) =>
    driver.run(request(5, { cacheSalt, tokensMax, onToken }))
  await Promise.all([ask('first', 150), ask('second', 1), ask('third', 150)])
  assert.equal(filledMost, 64)
  assert.equal(log.filter((line) => line === 'b fill').length, 149)
})

test('an idle sequence that fails while it is computed along fails nobody', async () => {
  const { driver, runners } = setUp(3, 10, InPasses)
  const [, between] = runners
  assert.ok(between)
  const onToken = () => {
    between.failNext = driver.counts.running === 2
    return true
  }
  const ask = (cacheSalt: string, tokensMax: number) =>
    driver.run(request(5, { cacheSalt, tokensMax, onToken }))
  const ends = await Promise.all([ask('first', 9), ask('second', 1), ask('third', 9)])
  assert.deepEqual(ends, ['length', 'length', 'length'])
  assert.equal(between.held.length, 0, 'what it held is not trusted')
})

test('a prompt is read on after all streams had their turn, also those apart', async () => {
  const { driver, log } = setUp(3, 10, InTurns)
  const streams = apart(driver)
  await until(() => log.includes('c next'))
  await driver.run(request(120, { cacheSalt: 'long', tokensMax: 1 }))
  const pieces = log.flatMap((line, i) => (line === 'b read 40' ? [i] : []))
  assert.equal(pieces.length, 2)
  const between = log.slice((pieces[0] ?? 0) + 1, pieces[1])
  assert.deepEqual(between.toSorted(), ['a next', 'c next'])
  await streams
})

test('those who wait are served best rank first; too many are refused', async () => {
  const { driver } = setUp(1, 3)
  const order: string[] = []
  const asked: Promise<unknown>[] = []
  const ask = (name: string, fields: Partial<GenerationRequest>) => {
    asked.push(driver.run(request(5, fields)).then(() => order.push(name)))
  }
  // The others come while the first one runs.
  const onToken = () => {
    if (asked.length > 1) return true
    ask('low', { priority: 9 })
    ask('high', { priority: 1 })
    ask('middle', { priority: 5 })
    assert.throws(() => driver.run(request(5)), { code: 'engine_queue_full' })
    return true
  }
  ask('first', { priority: 0, onToken })
  await asked[0]
  await Promise.all(asked)
  assert.deepEqual(order, ['first', 'high', 'middle', 'low'])
})

test('only those without a sequence count as waiting, not those who join at the next step', async () => {
  const { driver } = setUp(2)
  const seen: number[] = []
  const others: Promise<string>[] = []
  const first = request(5, {
    tokensMax: 3,
    onToken: () => {
      others.push(driver.run(request(5, { cacheSalt: 'other' })))
      seen.push(driver.counts.waiting)
      return true
    },
  })
  await driver.run(first)
  await Promise.all(others)
  assert.deepEqual(seen, [0, 1, 2])
})

test('an aborted request gives its sequence back, waiting or running', async () => {
  const { driver, runners } = setUp(1)
  const stop = new AbortController()
  const onToken = () => {
    stop.abort()
    driver.wake()
    return true
  }
  const running = driver.run(request(5, { tokensMax: 1000, signal: stop.signal, onToken }))
  const waiting = driver.run(request(5, { signal: stop.signal }))
  assert.deepEqual(await Promise.all([running, waiting]), ['aborted', 'aborted'])
  assert.equal(await driver.run(request(5)), 'length')
  assert.equal(runners[0]?.computing, 0)
})

test('a failing sequence fails its own request only', async () => {
  const { driver, runners } = setUp(2)
  const [first] = runners
  assert.ok(first)
  first.failNext = true
  const failing = driver.run(request(5))
  const fine = driver.run(request(5, { cacheSalt: 'other' }))
  await assert.rejects(failing, { code: 'engine_failed' })
  assert.equal(await fine, 'length')
  assert.equal(first.held.length, 0, 'what it held is not trusted')
  first.failNext = false
  assert.equal(await driver.run(request(7)), 'length')
})

test('a paused stream costs nothing and goes on when it is woken', async () => {
  const { driver, log } = setUp(1)
  let paused = false
  let received = 0
  const onToken = () => {
    if (received++ === 0) paused = true
    return true
  }
  const one = driver.run(request(5, { onToken, isPaused: () => paused, tokensMax: 9 }))
  await until(() => log.length > 1)
  await systemClock.sleep(15)
  // The step that was under way when the client fell behind is the last one.
  assert.deepEqual(log, ['a start 5', 'a next'])
  paused = false
  driver.wake()
  assert.equal(await one, 'length')
})

test('work between steps never meets a computing sequence', async () => {
  const { driver, runners } = setUp(2)
  const streams = [request(5, { tokensMax: 30 }), request(9, { tokensMax: 30 })]
  const done = streams.map((one) => driver.run(one))
  for (let i = 0; i < 5; i++)
    await driver.exclusively(async () => {
      for (const runner of runners) assert.equal(runner.computing, 0)
      await systemClock.sleep(1)
      for (const runner of runners) assert.equal(runner.computing, 0)
    })
  assert.deepEqual(await Promise.all(done), ['length', 'length'])
})

test('progress counts reuse, tokens and time', async () => {
  const { driver } = setUp(1)
  await driver.run(request(30))
  const progress = newProgress()
  await driver.run(request(30, { progress }))
  assert.deepEqual([progress.promptTokens, progress.cachedTokens], [30, 29])
  assert.equal(progress.completionTokens, 3)
  assert.ok(progress.prefillMs > 0 && progress.decodeMs > 0)
})

test('steps that try another number of threads say nothing of the usual pace', async () => {
  class Trying extends ThreadChoice {
    readonly noted: number[] = []
    override get isTrying() {
      return true
    }
    override next = () => 3
    override note(_: number, slowness: number) {
      this.noted.push(slowness)
    }
  }
  const recorded: number[] = []
  class Known extends Pace {
    override expectedMs = () => 1
    override record = (_: number, decoders: number) => void recorded.push(decoders)
  }
  const threads = new Trying({ few: 1, all: 3 })
  const used: number[] = []
  const { driver } = setUp(1, 10, Known, { threads, setThreads: (count) => used.push(count) })
  assert.equal(await driver.run(request(30)), 'length')
  assert.deepEqual(used, [3, 3, 3])
  assert.equal(threads.noted.length, 3)
  assert.deepEqual(recorded, [])
})

test('of a prompt whose client leaves only what was read is counted', async () => {
  const { driver, log } = setUp(1)
  const stop = new AbortController()
  const left = request(40_000, { signal: stop.signal })
  const never = request(50, { signal: stop.signal })
  const ends = [driver.run(left), driver.run(never)]
  await until(() => log.length >= 2)
  stop.abort()
  driver.wake()
  assert.deepEqual(await Promise.all(ends), ['aborted', 'aborted'])
  const { promptTokens } = left.progress
  assert.ok(promptTokens >= 40 && promptTokens < 40_000, `${promptTokens}`)
  assert.equal(promptTokens, 40 * log.length)
  assert.equal(never.progress.promptTokens, 0)
})
