import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { systemClock } from '../base/index.ts'
import { watchForHang } from './hang-watch.ts'

/** A server that answers until it is told to fall silent. */
async function startServer() {
  let isSilent = false
  const server = createServer((_, response) => {
    if (!isSilent) response.end('ok')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    healthUrl: `http://127.0.0.1:${port}/health`,
    fallSilent: () => {
      isSilent = true
    },
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

test('an engine that answers is left alone; one that falls silent is told once', async () => {
  const server = await startServer()
  const hangs: number[] = []
  const timer = watchForHang({
    healthUrl: server.healthUrl,
    clock: systemClock,
    pid: () => 1,
    onHang: (silentMs) => hangs.push(silentMs),
    periodMs: 20,
    silentMsMax: 400,
  })
  try {
    await systemClock.sleep(900)
    assert.deepEqual(hangs, [])
    server.fallSilent()
    for (let i = 0; i < 100 && hangs.length === 0; i++) await systemClock.sleep(50)
    await systemClock.sleep(200)
    assert.equal(hangs.length, 1)
    assert.ok((hangs[0] ?? 0) >= 400)
  } finally {
    timer.cancel()
    server.close()
  }
})

test('a process that is being started again is not judged by the one before', async () => {
  const server = await startServer()
  server.fallSilent()
  let pid: number | undefined = 1
  const hangs: number[] = []
  const timer = watchForHang({
    healthUrl: server.healthUrl,
    clock: systemClock,
    pid: () => {
      pid = pid === undefined ? undefined : pid + 1
      return pid
    },
    onHang: (silentMs) => hangs.push(silentMs),
    periodMs: 10,
    silentMsMax: 100,
  })
  await systemClock.sleep(400)
  pid = undefined
  await systemClock.sleep(200)
  timer.cancel()
  server.close()
  assert.deepEqual(hangs, [])
})
