import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Token } from 'node-llama-cpp'
import { FakeClock, seededRandom } from '../base/index.ts'
import {
  CalibrationCache,
  type CalibrationRow,
  calibrate,
  enoughStreams,
  kneeOf,
  streamCounts,
} from './calibration.ts'
import { newProgress } from './engine.ts'
import { engineArguments, parseEngineArguments } from './options.ts'
import { RequestLog } from './request-log.ts'
import { samplingOf } from './sampling-request.ts'
import { forcedRequest } from './sweep.ts'
import { shownToken, type TokenBytes, tokenBytesOf } from './token-bytes.ts'
import { ToolCallParser } from './tool-calls.ts'
import { TopSampler } from './top-sampler.ts'

const row = (streams: number, units: number, gapMs: number): CalibrationRow => ({
  streams,
  serviceUnitsPerS: units,
  tokensPerS: units / 2,
  meanTokenGapP95Ms: gapMs,
})

test('the knee is where more streams stop doing more, while tokens come quickly', () => {
  const rows = [
    row(1, 200, 10),
    row(2, 230, 17),
    row(4, 320, 27),
    row(8, 370, 45),
    row(16, 380, 95),
  ]
  assert.equal(kneeOf(rows), 8)
  assert.equal(kneeOf([row(1, 200, 10), row(2, 390, 11), row(4, 395, 20)]), 2)
})

test('on a slow machine the knee may reach half as slow again as one stream', () => {
  assert.equal(kneeOf([row(1, 20, 200), row(2, 38, 210), row(4, 60, 290), row(8, 90, 400)]), 4)
})

test('people take a whole step once they write nearly as much as the knee', () => {
  const rows = [
    row(1, 50, 14),
    row(2, 70, 24),
    row(4, 80, 35.3),
    row(8, 100, 63),
    row(16, 103, 120),
  ]
  assert.equal(enoughStreams({ rows, knee: 8 }), 5)
  assert.equal(enoughStreams({ rows, knee: 16 }), 6)
  assert.equal(enoughStreams({ rows: [row(1, 50, 10)], knee: 1 }), 1)
  const flat = [row(1, 10, 10), row(2, 20, 10), row(4, 40, 10), row(8, 80, 10)]
  assert.equal(enoughStreams({ rows: flat, knee: 8 }), 8)
})

test('a sweep picks the faster threads and keeps the better pass of each count', async () => {
  const clock = new FakeClock()
  const seen = new Set<number>()
  const calibration = await calibrate(
    async (streams, threads, _, mix) => {
      if (mix === 'mixed') return row(streams, streams * threads - 1, 10 * streams)
      const disturbed = !seen.has(streams) && streams === 8
      seen.add(streams)
      return row(streams, disturbed ? 1 : streams * threads, 10)
    },
    { counts: streamCounts(), threadCounts: [1, 2], durationMs: 100, clock },
  )
  assert.equal(calibration?.threads, 2)
  assert.equal(calibration.rows.find((r) => r.streams === 8)?.serviceUnitsPerS, 16)
  assert.equal(calibration.knee, 16)
  assert.equal(calibration.kneeTokenGapP95Ms, 160, 'measured while requests come and go')
  assert.equal(calibration.capacityUnitsPerS, 31, 'so is this')
})

test('the capacity knows no promise: it is measured beyond the knee where more is written', async () => {
  const sweep = async (aloneMs: number) => {
    const mixed = new Set<number>()
    const found = await calibrate(
      async (streams, _threads, _ms, mix) => {
        const root = Math.sqrt(streams)
        if (mix === 'mixed') mixed.add(streams)
        return row(streams, (mix === 'mixed' ? 50 : 100) * root, aloneMs * root)
      },
      { counts: streamCounts(), threadCounts: [1], durationMs: 100, clock: new FakeClock() },
    )
    return [mixed, found?.knee, found?.kneeUnitsPerS, found?.capacityUnitsPerS]
  }
  assert.deepEqual(await sweep(20), [new Set([16]), 16, 200, 200])
  assert.deepEqual(await sweep(40), [new Set([4, 16]), 4, 100, 200])
})

test('what was found by an earlier way of measuring is measured anew', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'calibration-'))
  try {
    const cache = new CalibrationCache(folder, {
      model: { name: 'm', fileBytes: 1, parameters: 1 },
      gpu: false,
      cap: undefined,
      cores: 1,
      threads: 1,
      libraryVersion: 'b1',
    })
    const options = {
      counts: streamCounts(),
      threadCounts: [1],
      durationMs: 100,
      clock: new FakeClock(),
    }
    const found = await calibrate(async (streams) => row(streams, streams, 10), options)
    assert.ok(found)
    await cache.write(found)
    assert.deepEqual(await cache.read(), found)
    const [name = ''] = await readdir(folder)
    const { version: _, kneeUnitsPerS: __, ...earlier } = found
    await writeFile(join(folder, name), JSON.stringify(earlier))
    assert.equal(await cache.read(), undefined)
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('where a cap is set the sweep goes up to it', async () => {
  assert.deepEqual(streamCounts(), [1, 2, 4, 8, 16])
  assert.deepEqual(streamCounts(6), [1, 2, 4, 6])
  assert.deepEqual(streamCounts(1), [1])
  assert.deepEqual(streamCounts(32), [1, 2, 4, 8, 16, 32])
  const measured = new Set<number>()
  const options = { threadCounts: [1, 2], durationMs: 100, clock: new FakeClock() }
  await calibrate(
    async (streams) => {
      measured.add(streams)
      return row(streams, streams, 10)
    },
    { counts: streamCounts(2), ...options },
  )
  assert.deepEqual(measured, new Set([1, 2]))
})

test('what disturbs one measurement of the pace at the knee is no part of it', async () => {
  let isDisturbed = true
  const calibration = await calibrate(
    async (streams, _threads, _ms, mix) => {
      if (mix !== 'mixed') return row(streams, streams, 10)
      const found = isDisturbed ? row(streams, 1, 1090) : row(streams, 500, 60)
      isDisturbed = false
      return found
    },
    { counts: [1, 2], threadCounts: [1], durationMs: 100, clock: new FakeClock() },
  )
  assert.equal(calibration?.kneeTokenGapP95Ms, 60)
  assert.equal(calibration.capacityUnitsPerS, 500)
})

test('numbers of streams at which nothing was written say nothing', async () => {
  const options = {
    counts: streamCounts(),
    threadCounts: [1],
    durationMs: 100,
    clock: new FakeClock(),
  }
  const few = await calibrate(
    async (streams) => (streams > 2 ? row(streams, 0, 0) : row(streams, streams, 300)),
    options,
  )
  assert.deepEqual(
    few?.rows.map(({ streams }) => streams),
    [1, 2],
  )
  assert.equal(few.knee, 2)
  assert.equal(await calibrate(async (streams) => row(streams, 0, 0), options), undefined)
})

test('counts of an ended request are kept for a minute', () => {
  const clock = new FakeClock()
  const log = new RequestLog(clock)
  const record = log.begin('r1', newProgress(), () => undefined)
  assert.equal(log.running().length, 1)
  log.finish(record, 'aborted')
  log.finish(record, 'finished')
  clock.advance(59_000)
  assert.equal(log.find('r1')?.end, 'aborted')
  clock.advance(2000)
  assert.equal(log.find('r1'), undefined)
})

test('of two running requests with one id both are known to run', () => {
  const log = new RequestLog(new FakeClock())
  const first = log.begin('r', newProgress(), () => undefined)
  const second = log.begin('r', newProgress(), () => undefined)
  assert.deepEqual(log.running(), [first, second])
  log.finish(first, 'finished')
  assert.deepEqual(log.running(), [second])
  assert.equal(log.find('r'), second)
})

test('the seed that means chance to llama.cpp is never given to it, whatever the choice', () => {
  const random = seededRandom(1)
  for (const choice of [0, 1, 2])
    assert.notEqual(samplingOf({ seed: 0xffff_fffe }, random, choice).seed, 0xffff_ffff)
})

test('bytes of tokens are known by their names, also where they part a character', () => {
  const named = (kind: string, tokens: string[], texts: string[]) => {
    const metadata = { tokenizer: { ggml: { model: kind, tokens } } }
    const detokenize = ([token]: Token[]) => texts[token as number] ?? ''
    return tokenBytesOf({ detokenize, fileInfo: { metadata } })
  }
  const shown = (bytesOf: TokenBytes, count: number) =>
    Array.from({ length: count }, (_, token) => {
      const bytes = bytesOf(token as Token)
      return [bytes.toString('hex'), shownToken(bytes)]
    })
  // A space and two bytes of a wheel as GPT-2 names bytes, a word, and a control token.
  const levels = named('gpt2', ['\u0120\u00e8\u00bb', 'mill', '<|end|>'], [' \ufffd', 'mill', ''])
  assert.deepEqual(shown(levels, 3), [
    ['20e8bb', ' \\xe8\\xbb'],
    ['6d696c6c', 'mill'],
    ['', ''],
  ])
  const pieces = named('llama', ['<0xE8>', '\u2581mill', '</s>'], ['\ufffd', 'mill', ''])
  assert.deepEqual(shown(pieces, 3), [
    ['e8', '\\xe8'],
    ['206d696c6c', ' mill'],
    ['', ''],
  ])
})

test('tool calls are found in text that arrives in any pieces', () => {
  const text =
    '<tool_call>\n{"name": "a", "arguments": {"x": "}\\"{", "y": [1, {"z": 2}]}}\n</tool_call>\n' +
    '<tool_call>\n{"name": "b", "arguments": {}}\n</tool_call>'
  for (const size of [1, 2, 3, 7, 1000]) {
    let ids = 0
    const parser = new ToolCallParser(() => `call_${ids++}`)
    const events = []
    for (let at = 0; at < text.length; at += size)
      events.push(...parser.push(text.slice(at, at + size)))
    events.push(...parser.flush())
    const parts = ['', '']
    for (const event of events)
      if (event.kind === 'arguments') parts[event.index] += event.text
      else assert.equal(event.kind, 'call')
    assert.deepEqual(JSON.parse(parts[0] ?? ''), { x: '}"{', y: [1, { z: 2 }] })
    assert.equal(parts[1], '{}')
    assert.equal(parser.calls, 2)
  }
})

test('text that only looks like the beginning of a call is not lost', () => {
  const parser = new ToolCallParser(() => 'x')
  const events = [...parser.push('a <tool'), ...parser.push('_box> b'), ...parser.flush()]
  const text = events.map((event) => (event.kind === 'text' ? event.text : '?')).join('')
  assert.equal(text, 'a <tool_box> b')
})

test('sampling from logits follows top-k, top-p and temperature', () => {
  const logits = [5, 4, 3, 0].map((logit, i) => [i as Token, logit] as const)
  const totalWeight = logits.reduce((sum, [, logit]) => sum + Math.exp(logit - 5), 0)
  const { sampling } = forcedRequest([], 1, '')
  const drawn = (fields: object) => {
    const sampler = new TopSampler({ ...sampling, topLogprobs: 2, ...fields })
    const tokens = Array.from({ length: 400 }, () => sampler.sample({ logits, totalWeight }))
    return { tokens: new Set(tokens.map((t) => t.token)), one: tokens[0] }
  }
  assert.deepEqual([...drawn({ temperature: 0 }).tokens], [0])
  assert.deepEqual(
    [...drawn({ topK: 2 }).tokens].sort((a, b) => a - b),
    [0, 1],
  )
  assert.deepEqual([...drawn({ topP: 0.5 }).tokens], [0])
  assert.ok(drawn({ temperature: 2, topK: 0 }).tokens.size === 4)
  assert.deepEqual([...drawn({ minP: 0.5 }).tokens], [0])
  const total = logits.reduce((sum, [, logit]) => sum + Math.exp(logit), 0)
  const expected = Math.log(Math.exp(5) / total)
  assert.ok(Math.abs((drawn({}).one?.top?.[0]?.logprob ?? 0) - expected) < 1e-9)
})

test('options survive the way over a command line, and wrong ones are named', () => {
  const options = { model: '/m.gguf', port: 0, cap: 4, gpu: 'off' as const, 'parent-pipe': true }
  const parsed = parseEngineArguments(engineArguments(options))
  assert.equal(parsed.cap, 4)
  assert.equal(parsed['parent-pipe'], true)
  assert.throws(() => parseEngineArguments(['--model', 'x', '--cap', 'many']), /--cap/)
  assert.throws(() => parseEngineArguments(['--model', 'x', '--speed', '9']), {
    code: 'invalid_config',
  })
  assert.throws(() => parseEngineArguments([]), /--model/)
})
