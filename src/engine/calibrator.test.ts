/** The calibrator against a scripted engine; what the figures mean is tested with the fit. */
import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { limitTable, seededRandom, systemClock, systemRandom } from '../base/index.ts'
import type { CalibrationPoint, Tokens } from './calibration.ts'
import { type CalibrationPlaces, concurrencies, measureEngine } from './calibrator.ts'
import { OpenAiEngine } from './openai-engine.ts'
import { beginStream, sendJson, startTestEngine, type TestEngine, usage } from './test-engine.ts'
import type { EngineProfile } from './types.ts'

const open: { close(): Promise<unknown> }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

const profile: EngineProfile = {
  kind: 'vllm',
  version: '1',
  models: [{ name: 'm', contextTokens: 2048, toy: false }],
  cap: 2,
  capReason: 'As the test says.',
  express: 0,
  spare: 0,
  capMost: 4,
  capacityUnitsPerS: null,
  tokenGapMs: null,
  takesPriority: true,
  takesCacheSalt: true,
  takesCacheOff: false,
  yieldsBySteps: false,
  tellsLoad: false,
  advice: null,
}

/** Places without anybody else; counts how many were out at once. */
class Places implements CalibrationPlaces {
  readonly tokens: Tokens = { input: 0, cached: 0, output: 0 }
  readonly allowed: number[] = []
  out = 0
  most = 0

  async take() {
    this.most = Math.max(this.most, ++this.out)
    return {
      id: `run_${this.most}`,
      rank: 63,
      output: () => undefined,
      finish: (tokens: Tokens | null) => {
        this.out--
        this.tokens.input += tokens?.input ?? 0
        this.tokens.cached += tokens?.cached ?? 0
        this.tokens.output += tokens?.output ?? 0
      },
    }
  }

  allow(concurrency: number): void {
    this.allowed.push(concurrency)
  }

  total(): Tokens {
    return { ...this.tokens }
  }
}

async function measure(prepare: (engine: TestEngine) => void) {
  const test = await startTestEngine()
  const limit = (name: 'engineFirstByteMsMax' | 'engineIdleMsMax' | 'engineAnswerMsMax') =>
    limitTable[name].default
  const engine = new OpenAiEngine({
    id: 'eng_1',
    name: 'one',
    url: test.url,
    keys: [],
    service: null,
    capOverride: null,
    modelsFilter: null,
    clock: systemClock,
    random: systemRandom,
    limits: {
      engineFirstByteMsMax: limit('engineFirstByteMsMax'),
      engineIdleMsMax: limit('engineIdleMsMax'),
      engineAnswerMsMax: limit('engineAnswerMsMax'),
      answerBytesMax: limitTable.answerBytesMax.default,
    },
  })
  open.push(engine, test)
  prepare(test)
  await engine.probe(new AbortController().signal)
  const places = new Places()
  const points: CalibrationPoint[] = []
  const run = measureEngine({
    engine,
    profile,
    model: 'm',
    places,
    clock: systemClock,
    random: seededRandom(1),
    pointMs: 120,
    signal: new AbortController().signal,
    onPoint: (point) => points.push(point),
  })
  return { test, places, points, run }
}

/** @param told called with the number of requests so far */
function answerSlowly(engine: TestEngine, told: (requests: number) => void = () => {}): void {
  engine.answer(({ response, body }) => {
    told(engine.seen.length)
    beginStream(response)
    const frame = (fields: object) => response.write(`data: ${JSON.stringify(fields)}\n\n`)
    frame({ choices: [{ text: 'one' }] })
    setTimeout(() => {
      frame({ choices: [{ text: ' two' }] })
      frame({ choices: [], usage: usage(10, Number(body.max_tokens), 4) })
      response.end('data: [DONE]\n\n')
    }, 5)
  })
}

test('sweeps the requests at once, then measures what kinds of tokens take', async () => {
  const { test, places, points, run } = await measure(answerSlowly)
  await run
  const mixes = points.map(({ mix, concurrency }) => `${mix} ${concurrency}`)
  assert.deepEqual(mixes.slice(0, 3), ['even 1', 'even 2', 'even 4'])
  assert.deepEqual(
    points.slice(3).map(({ mix }) => mix),
    ['prompts', 'answers', 'prefixes'],
  )
  assert.equal(places.out, 0)
  assert.equal(places.most, 4)
  assert.deepEqual(places.allowed.slice(0, 3), [1, 2, 4])
  assert.ok(points.every(({ tokens }) => tokens.input > 0 && tokens.cached > 0))
  assert.ok(points.every(({ tokenGapP95Ms }) => tokenGapP95Ms !== null))
  const [seen] = test.seen
  assert.equal(seen?.path, '/v1/completions')
  assert.equal(seen?.body.priority, 63)
  assert.equal(seen?.body.cache_salt, 'calibration')
})

/** Tells that it has made ten passes for every request, and read a prompt of three pieces. */
function tellSteps(engine: TestEngine, requests: number): void {
  const told = {
    read_tokens_total: 40,
    read_pieces_total: 3,
    read_seconds_total: 0.25,
    'passes_total{sequences="4"}': 10,
    'pass_seconds_total{sequences="4"}': 0.5,
  }
  const lines = Object.entries(told).map(([name, each]) => `gristmill:${name} ${each * requests}`)
  engine.pages.set('/metrics', ['gristmill:enough_streams 3', ...lines].join('\n'))
}

test('a point has what the engine tells of its steps meanwhile', async () => {
  const { points, run } = await measure((engine) => {
    answerSlowly(engine, (requests) => tellSteps(engine, requests))
    tellSteps(engine, 0)
  })
  await run
  for (const { steps } of points) {
    assert.ok(steps && steps.read.tokens > 0)
    const requests = steps.read.tokens / 40
    assert.deepEqual(steps, {
      read: { tokens: 40 * requests, pieces: 3 * requests, seconds: 0.25 * requests },
      passes: [{ sequences: 4, count: 10 * requests, seconds: 0.5 * requests }],
      enough: 3,
    })
  }
  assert.ok(points.length > 3)
})

test('an engine that tells nothing of its steps is calibrated all the same', async () => {
  const { points, run } = await measure(answerSlowly)
  await run
  assert.ok(points.every((point) => !('steps' in point)))
})

test('an engine that refuses ends it with the reason, and every place is given back', async () => {
  const { places, run } = await measure((engine) =>
    engine.answer(({ response }) =>
      sendJson(response, 400, { error: { message: 'no such thing' } }),
    ),
  )
  await assert.rejects(run, /status 400.*no such thing/)
  assert.equal(places.out, 0)
})

test('an engine that does not count tokens cannot be calibrated', async () => {
  const { run } = await measure((engine) =>
    engine.answer(({ response }) => {
      beginStream(response)
      response.end('data: {"choices":[{"text":"a"}]}\n\ndata: [DONE]\n\n')
    }),
  )
  await assert.rejects(run, /how many tokens/)
})

test('the sweep doubles up to the most', () => {
  assert.deepEqual(concurrencies(1), [1])
  assert.deepEqual(concurrencies(8), [1, 2, 4, 8])
  assert.deepEqual(concurrencies(12), [1, 2, 4, 8, 12])
})
