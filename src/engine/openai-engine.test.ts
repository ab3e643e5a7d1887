/** The adapter alone: one end per call, whatever the engine's side of the connection does. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, test } from 'node:test'
import { limitTable, systemClock, systemRandom } from '../base/index.ts'
import type { EngineFailure } from './engine-failure.ts'
import { OpenAiEngine } from './openai-engine.ts'
import type { EngineSink } from './types.ts'

/** A server that does with every request on every connection what the test says. */
let server: Server
let engine: OpenAiEngine
let onRequest: (socket: Socket, nthOnSocket: number) => void
let requests: number
const failures: EngineFailure[] = []

const limits = {
  engineFirstByteMsMax: limitTable.engineFirstByteMsMax.default,
  engineIdleMsMax: limitTable.engineIdleMsMax.default,
  engineAnswerMsMax: limitTable.engineAnswerMsMax.default,
  answerBytesMax: limitTable.answerBytesMax.default,
}

async function start(changes: Partial<typeof limits> = {}): Promise<void> {
  requests = 0
  failures.length = 0
  server = createServer((socket) => {
    let count = 0
    socket.on('error', () => {})
    // Every request of these tests fits into one packet and ends with its body.
    socket.on('data', (bytes) => {
      if (!bytes.toString().endsWith('{}')) return
      requests++
      onRequest(socket, ++count)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  engine = new OpenAiEngine({
    id: 'eng_1',
    name: 'one',
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    keys: [{ id: 'ekey_1', secret: 'sk-engine' }],
    service: null,
    capOverride: null,
    modelsFilter: null,
    clock: systemClock,
    random: systemRandom,
    limits: { ...limits, ...changes },
    onFailure: (failure) => failures.push(failure),
  })
}

beforeEach(() => start())
afterEach(async () => {
  await engine.close()
  server.close()
})

const answer = (socket: Socket, body = 'ok') =>
  socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`)

/** A connection is free for the next request one turn after its answer. */
const idle = () => systemClock.sleep(20)

interface Ended {
  body: string
  status: number
  error: EngineFailure | undefined
  hadBytes: boolean
}

class Sink implements EngineSink {
  readonly ended: Promise<Ended>
  goesOn = true
  body = ''
  #status = 0
  #resolve!: (ended: Ended) => void
  #ends = 0

  constructor() {
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  head(status: number): void {
    this.#status = status
  }

  data(chunk: Uint8Array): boolean {
    assert.equal(this.#ends, 0, 'nothing comes after the end')
    this.body += Buffer.from(chunk).toString()
    return this.goesOn
  }

  end(): void {
    this.#finish(undefined, true)
  }

  fail(error: Error, hadBytes: boolean): void {
    this.#finish(error as EngineFailure, hadBytes)
  }

  #finish(error: EngineFailure | undefined, hadBytes: boolean): void {
    assert.equal(++this.#ends, 1, 'it ends once')
    this.#resolve({ body: this.body, status: this.#status, error, hadBytes })
  }
}

function send(stream = false, sink = new Sink()) {
  const request = { requestId: 'req_1', path: '/v1/chat/completions', body: '{}', stream }
  const call = engine.dispatch(request, sink)
  return { call, sink, ended: sink.ended }
}

test('an answer comes whole, with our key and request id on the way out', async () => {
  let head = ''
  server.on('connection', (socket) => socket.on('data', (bytes) => (head += bytes.toString())))
  onRequest = (socket) => answer(socket)
  const { body, status, error } = await send().ended
  assert.deepEqual([body, status, error], ['ok', 200, undefined])
  assert.match(head, /^POST \/v1\/chat\/completions HTTP/)
  assert.match(head, /authorization: Bearer sk-engine/)
  assert.match(head, /x-request-id: req_1/)
})

test('a kept connection that dies before a byte is answered for once, by a new one', async () => {
  onRequest = (socket, nth) => (nth === 1 ? answer(socket) : socket.destroy())
  await send().ended
  await idle()
  const { error, body } = await send().ended
  assert.deepEqual([error, body, requests], [undefined, 'ok', 3])
  assert.equal(failures.length, 0)
})

test('a new connection that dies is a failure, not another try', async () => {
  onRequest = (socket) => socket.destroy()
  const { error, hadBytes } = await send().ended
  assert.deepEqual([error?.kind, hadBytes, requests], ['broken', false, 1])
  assert.deepEqual(failures, [error])
})

test('a kept connection that dies after a byte is a failure', async () => {
  onRequest = (socket, nth) => {
    if (nth === 1) answer(socket)
    else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart', () => socket.destroy())
  }
  await send().ended
  await idle()
  const { error, hadBytes } = await send().ended
  assert.deepEqual([error?.kind, hadBytes, requests], ['broken', true, 2])
})

test('nobody listening is told apart from a connection that broke', async () => {
  server.close()
  assert.equal((await send().ended).error?.kind, 'unreachable')
})

test('stopping a call ends it once, also before it has a connection', async () => {
  const closed = new Promise<void>((resolve) => {
    onRequest = (socket) => {
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n')
      socket.on('close', () => resolve())
    }
  })
  const early = send()
  early.call.abort()
  early.call.abort()
  assert.equal((await early.ended).error?.kind, 'aborted')
  const { call, sink, ended } = send(true)
  while (sink.body === '') await systemClock.sleep(5)
  call.abort()
  assert.equal((await ended).error?.kind, 'aborted')
  await closed
  assert.equal(failures.length, 0, 'what we stop is not the fault of the engine')
})

test('a reader that falls behind pauses the engine, and reads on without a loss', async () => {
  const total = 4 * 1024 * 1024
  onRequest = (socket) => answer(socket, 'x'.repeat(total))
  const sink = new Sink()
  sink.goesOn = false
  const { call, ended } = send(true, sink)
  while (sink.body === '') await systemClock.sleep(5)
  await systemClock.sleep(100)
  assert.ok(sink.body.length < total / 2, `${sink.body.length} bytes came all the same`)
  sink.goesOn = true
  call.resume()
  assert.equal((await ended).body.length, total)
})

test('silence is a timeout, before the first byte and within a stream', async () => {
  await engine.close()
  server.close()
  await start({ engineFirstByteMsMax: 300, engineIdleMsMax: 200, engineAnswerMsMax: 100 })
  onRequest = () => {}
  assert.equal((await send(true).ended).error?.timeoutMs, 300)
  assert.equal((await send(false).ended).error?.timeoutMs, 100)
  onRequest = (socket) =>
    socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n')
  const { error, hadBytes } = await send(true).ended
  assert.deepEqual([error?.kind, error?.timeoutMs, hadBytes], ['timeout', 200, true])
})
