import assert from 'node:assert/strict'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { it } from 'node:test'
import { FakeClock } from '../base/index.ts'
import { ArrivalBound } from './arrival.ts'

/** Sends a head that promises ten bytes and some of them; tells whether that was found too late. */
async function isLate(body: string, afterMs: number): Promise<boolean> {
  const clock = new FakeClock()
  let late = false
  const arrived = Promise.withResolvers<void>()
  const bound = new ArrivalBound(clock, 1000, () => {
    late = true
  })
  const server = createServer((incoming) => {
    bound.begin(incoming)
    let bytes = 0
    incoming
      .on('error', () => {})
      .on('data', (chunk: Buffer) => {
        bytes += chunk.length
        // Whether the body has ended is looked at in the turn after its last byte.
        if (bytes === body.length) setImmediate(() => setImmediate(arrived.resolve))
      })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const headers = { 'content-length': 10 }
  const call = request({ port, host: '127.0.0.1', method: 'POST', headers })
  call.on('error', () => {})
  call.write(body)
  await arrived.promise
  clock.advance(afterMs)
  call.destroy()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  return late
}

it('finds a request late that has not arrived completely in time, and no other', async () => {
  assert.equal(await isLate('half', 1000), true)
  assert.equal(await isLate('half', 999), false)
  assert.equal(await isLate('complete!!', 5000), false)
})
