import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { FakeClock } from '../base/index.ts'
import { until } from '../base/test-eventually.ts'
import { watchForHang } from './hang-watch.ts'

/** A server that answers until it is told to fall silent, with the status that it is told. */
async function startServer() {
  let isSilent = false
  let status = 200
  let asked = 0
  const server = createServer((_, response) => {
    asked++
    response.statusCode = status
    if (!isSilent) response.end('ok')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    asked: () => asked,
    healthUrl: `http://127.0.0.1:${port}/health`,
    fallSilent: () => {
      isSilent = true
    },
    answerWith: (next: number) => {
      status = next
    },
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

const PERIOD_MS = 5000
const SILENT_MS = 30_000

test('an engine that answers is left alone; one that falls silent is told once', async () => {
  const server = await startServer()
  const clock = new FakeClock()
  const hangs: number[] = []
  const timer = watchForHang({
    healthUrl: server.healthUrl,
    clock,
    pid: () => 1,
    onHang: (silentMs) => hangs.push(silentMs),
  })
  try {
    clock.advance(PERIOD_MS)
    for (let looks = 1; looks <= 12; looks++) {
      clock.advance(PERIOD_MS)
      await until(() => server.asked() === looks)
    }
    assert.deepEqual(hangs, [])
    server.fallSilent()
    clock.advance(4 * SILENT_MS)
    assert.equal(hangs.length, 1)
    assert.ok((hangs[0] ?? 0) >= SILENT_MS)
  } finally {
    timer.cancel()
    server.close()
  }
})

test('an engine that loads is waited for; one that says of itself that it hangs is told', async () => {
  const server = await startServer()
  const clock = new FakeClock()
  const hangs: number[] = []
  const timer = watchForHang({
    healthUrl: server.healthUrl,
    clock,
    pid: () => 1,
    onHang: (silentMs) => hangs.push(silentMs),
  })
  let looks = 0
  const look = async (times: number) => {
    for (let i = 0; i < times; i++) {
      clock.advance(PERIOD_MS)
      await until(() => server.asked() === looks)
      looks++
    }
  }
  try {
    server.answerWith(503)
    await look(12)
    assert.deepEqual(hangs, [])
    server.answerWith(502)
    await look(12)
    assert.equal(hangs.length, 1)
  } finally {
    timer.cancel()
    server.close()
  }
})

test('a process that is being started again is not judged by the one before', async () => {
  const server = await startServer()
  server.fallSilent()
  const clock = new FakeClock()
  let pid: number | undefined = 1
  const hangs: number[] = []
  const timer = watchForHang({
    healthUrl: server.healthUrl,
    clock,
    pid: () => {
      pid = pid === undefined ? undefined : pid + 1
      return pid
    },
    onHang: (silentMs) => hangs.push(silentMs),
  })
  clock.advance(4 * SILENT_MS)
  pid = undefined
  clock.advance(4 * SILENT_MS)
  timer.cancel()
  server.close()
  assert.deepEqual(hangs, [])
})
