import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../base/index.ts'
import { engineArguments, engineEntry, inspectGguf, writeToyModel } from './index.ts'
import type { EngineOptions } from './options.ts'

let folder = ''
let model = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'engine-process-'))
  model = join(folder, 'toy.gguf')
  await writeToyModel(model, { kind: 'markov', seed: 1, contextTokens: 1024 })
})
after(() => rm(folder, { recursive: true }))

/** @param before a program that starts it, with its own words */
function start(options: Partial<EngineOptions>, before: string[] = []): ChildProcess {
  const words = engineArguments({ model, 'log-level': 'error', ...options })
  const line = [...before, process.execPath, fileURLToPath(engineEntry), ...words]
  return spawn(line[0] ?? '', line.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] })
}

async function ready(child: ChildProcess): Promise<Record<string, unknown> & { url: string }> {
  assert.ok(child.stdout)
  const [line] = await once(createInterface({ input: child.stdout }), 'line')
  return JSON.parse(line)
}

async function gone(url: string): Promise<void> {
  for (;;) {
    const alive = await fetch(`${url}/health`).then(
      () => true,
      () => false,
    )
    if (!alive) return
    await systemClock.sleep(20)
  }
}

test('it says that it is ready in one line, answers, and ends on SIGTERM', async () => {
  const child = start({ cap: 9, 'sweep-ms': 0, spare: 3, context: 512, id: 'grain' })
  const line = await ready(child)
  assert.deepEqual(
    [line.ready, line.model, line.cap, line.express, line.slots, line.contextTokens],
    [true, 'grain', 9, 2, 14, 512],
  )
  assert.equal((await fetch(`${line.url}/health`)).status, 200)
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  assert.equal(code, 0)
  await gone(line.url)
})

test('it ends when the parent goes, also in the middle of an answer', async () => {
  const child = start({ cap: 2, 'sweep-ms': 0, 'parent-pipe': true })
  const { url } = await ready(child)
  const body = { messages: [{ role: 'user', content: 'x' }], max_tokens: 900, ignore_eos: true }
  const answer = fetch(`${url}/v1/chat/completions`, { method: 'POST', body: JSON.stringify(body) })
  answer.catch(() => undefined)
  child.stdin?.destroy()
  await once(child, 'exit')
  await gone(url)
})

test('on SIGTERM a running stream ends with an error event, not in the middle of nowhere', async () => {
  const child = start({ cap: 2, 'sweep-ms': 0 })
  const { url } = await ready(child)
  const messages = [{ role: 'user', content: 'x' }]
  // Paused by a client that does not read, so that it cannot finish in time.
  const body = { messages, max_tokens: 1000, ignore_eos: true, stream: true, n: 100 }
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify(body),
  })
  child.kill('SIGTERM')
  await gone(url)
  // A terminal sends signals to all, as service managers do, and what started it passes them on.
  child.kill('SIGTERM')
  const text = await response.text()
  const last = text.trimEnd().split('\n\n').at(-1) ?? ''
  assert.equal(JSON.parse(last.replace('data: ', '')).error.code, 'shutting_down')
  const [code] = await once(child, 'exit')
  assert.equal(code, 0)
})

test('a calibration is measured once and found again at the next start', async () => {
  const cache = join(folder, 'cache')
  const options = { cache, 'sweep-ms': 1200 }
  const first = start(options)
  const line = await ready(first)
  first.kill('SIGTERM')
  await once(first, 'exit')
  const second = start(options)
  const again = await ready(second)
  second.kill('SIGTERM')
  assert.deepEqual(again.calibration, line.calibration)
  const calibration = line.calibration as {
    rows: object[]
    capacityUnitsPerS: number
    knee: number
  }
  assert.equal(calibration.rows.length, 5)
  assert.ok(calibration.capacityUnitsPerS > 0)
  assert.equal(line.cap, calibration.knee)
  await once(second, 'exit')
})

test('where its cap is set it is calibrated up to that, and keeps it', async () => {
  const child = start({ cap: 3, threads: 1, 'sweep-ms': 600 })
  const { cap, calibration } = await ready(child)
  child.kill('SIGTERM')
  const { rows, capacityUnitsPerS } = calibration as {
    rows: { streams: number }[]
    capacityUnitsPerS: number
  }
  assert.equal(cap, 3)
  assert.deepEqual(
    rows.map(({ streams }) => streams),
    [1, 2, 3],
  )
  assert.ok(capacityUnitsPerS > 0)
  await once(child, 'exit')
})

test('with other cores to compute on it is calibrated anew', async (t) => {
  const allowed = await readFile('/proc/self/status', 'utf8').catch(() => '')
  const [, core = ''] = /Cpus_allowed_list:\s+(\d+)/.exec(allowed) ?? []
  if (core === '' || availableParallelism() < 2)
    return t.diagnostic('there is one core, or no Linux')
  const options = { cache: join(folder, 'cores'), 'sweep-ms': 600 }
  const measuredAt = async (before: string[]) => {
    const child = start(options, before)
    const { calibration } = await ready(child)
    child.kill('SIGTERM')
    await once(child, 'exit')
    return (calibration as { measuredAtMs: number }).measuredAtMs
  }
  const all = await measuredAt([])
  assert.notEqual(await measuredAt(['taskset', '-c', core]), all)
  assert.equal(await measuredAt([]), all)
})

test('a file that is no whole model is refused with the reason', async () => {
  const path = join(folder, 'broken.gguf')
  const bytes = await readFile(model)
  await writeFile(path, bytes)
  await truncate(path, Math.floor(bytes.length / 2))
  await assert.rejects(inspectGguf(path), /cut off/)
  await truncate(path, 2000)
  await assert.rejects(inspectGguf(path), { code: 'model_file_invalid' })
  await writeFile(path, 'not a model at all')
  await assert.rejects(inspectGguf(path), /not a GGUF file/)
  await assert.rejects(inspectGguf(join(folder, 'none.gguf')), /no such file/)
  await assert.rejects(inspectGguf(folder), /not a file/)
  const child = start({ model: path })
  assert.ok(child.stderr)
  let words = ''
  child.stderr.on('data', (chunk) => {
    words += chunk
  })
  const [code] = await once(child, 'exit')
  assert.equal(code, 1)
  assert.match(words, /broken\.gguf cannot be used: it is not a GGUF file/)
  assert.doesNotMatch(words, /\n\s+at /)
})

test('a header with a length beyond the file is refused before anybody reads so far', async () => {
  const path = join(folder, 'lengths.gguf')
  const whole = await readFile(model)
  // Numbers of values and tensors, the length of the first key, and that of a list of words.
  const places = [8, 16, 24, whole.indexOf('tokenizer.ggml.tokens') + 21 + 8]
  for (const place of places)
    for (const length of [2n ** 33n, 2n ** 63n]) {
      const bytes = Buffer.from(whole)
      bytes.writeBigUInt64LE(length, place)
      await writeFile(path, bytes)
      await assert.rejects(inspectGguf(path), /its header is damaged or cut off/)
    }
  const odd = Buffer.from(whole)
  odd.writeUInt32LE(99, 4)
  await writeFile(path, odd)
  await assert.rejects(inspectGguf(path), /its header is damaged or cut off/)
})

test('a whole file tells what it holds', async () => {
  const summary = await inspectGguf(model)
  assert.equal(summary.architecture, 'llama')
  assert.equal(summary.contextTokens, 1024)
  assert.equal(summary.quantisation, 'F32')
  assert.ok(summary.hasChatTemplate)
  assert.ok(summary.parameters > 100_000)
})

test('memory stays flat over many short and aborted requests', async (t) => {
  const child = start({ cap: 4, 'sweep-ms': 0 })
  const { url } = await ready(child)
  const pid = await engineOf(child)
  await many(url, 200)
  const before = await residentKib(pid)
  await many(url, 600)
  const after = await residentKib(pid)
  t.diagnostic(`resident memory ${before} then ${after} KiB`)
  assert.ok(after < before * 1.3, `${before} then ${after} KiB`)
  child.kill('SIGTERM')
  await once(child, 'exit')
})

async function many(url: string, count: number): Promise<void> {
  let next = 0
  const one = async (index: number) => {
    const stop = new AbortController()
    const body = { prompt: `Sack ${index}`, max_tokens: 4, stream: index % 4 === 0 }
    const response = await fetch(`${url}/v1/completions`, {
      method: 'POST',
      body: JSON.stringify(body),
      signal: stop.signal,
    })
    if (index % 4 === 0) stop.abort()
    else await response.text()
  }
  const worker = async () => {
    while (next < count) await one(next++)
  }
  await Promise.all([1, 2, 3, 4].map(worker))
}

/** The process that started by hand starts another one with the settings that it needs. */
async function engineOf(child: ChildProcess): Promise<number> {
  const file = await open(`/proc/${child.pid}/task/${child.pid}/children`)
  try {
    return Number((await file.readFile('utf8')).trim().split(' ')[0])
  } finally {
    await file.close()
  }
}

async function residentKib(pid: number): Promise<number> {
  return Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1])
}
