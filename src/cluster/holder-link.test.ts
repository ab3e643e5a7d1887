import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { it } from 'node:test'
import { systemClock as clock, type Logger, systemRandom as random } from '../base/index.ts'
import { eventually } from '../base/test-eventually.ts'
import { HolderLink } from './holder-link.ts'
import { answerPeer } from './peer-door.ts'

const key = (fill: number) => Buffer.alloc(32, fill)
const ignore = () => {}

/** A gateway that schedules. */
async function holder(keys: Buffer[]) {
  const peers: string[] = []
  let calls = 0
  const server = createServer().on('upgrade', (request, socket) => {
    calls++
    const onPeer = (id: string) => peers.push(id)
    const options = { ownId: 'a', keys, clock, random, isOpen: () => true, onPeer }
    answerPeer(options, request, socket)
    socket.on('close', () => socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { peers, calls: () => calls, url: `http://127.0.0.1:${port}`, close: () => server.close() }
}

function linkTo(url: string, keys: Buffer[]) {
  const said: object[] = []
  const logger = { warn: (words: object) => said.push(words), debug: ignore, info: ignore }
  const link = new HolderLink({
    ...{ ownId: 'b', gatewayId: 'a', url, token: 1, keys, clock, random },
    logger: logger as unknown as Logger,
    onUp: ignore,
    onDown: ignore,
    onMessage: ignore,
  })
  return { said, close: () => link.close() }
}

it('a holder with another secret is told of once, however often it is called', async () => {
  const there = await holder([key(1)])
  const link = linkTo(there.url, [key(2)])
  try {
    await eventually('it was called often', () => there.calls() >= 3)
    const reason = 'the gateway could not prove that it belongs to this cluster'
    assert.deepEqual(link.said, [{ gatewayId: 'a', url: there.url, reason }])
    assert.deepEqual(there.peers, [])
  } finally {
    link.close()
    there.close()
  }
})

for (const [what, theirs, ours] of [
  ['the new secret is reached by one that has it as well', [2, 1], [2]],
  ['the new secret is reached by one with the old one', [2, 1], [1]],
  ['the old secret is reached by one that has the new one as well', [1], [2, 1]],
] as const) {
  it(`while it is changed, a holder with ${what}`, async () => {
    const there = await holder(theirs.map(key))
    const link = linkTo(there.url, ours.map(key))
    try {
      await eventually('both have proved it', () => there.peers.length > 0)
      assert.deepEqual([there.peers, link.said], [['b'], []])
    } finally {
      link.close()
      there.close()
    }
  })
}
