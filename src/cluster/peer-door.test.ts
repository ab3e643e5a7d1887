import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { it } from 'node:test'
import { promisify } from 'node:util'
import { FakeClock, systemRandom } from '../base/index.ts'
import { until } from '../base/test-eventually.ts'
import { answerPeer, PEER_PATH, PEER_PROTOCOL } from './peer-door.ts'

it('a caller that is refused and does not hang up is let go of', async () => {
  const options = { ownId: 'a', keys: [new Uint8Array(32)], clock: new FakeClock(), onPeer() {} }
  const server = createServer().on('upgrade', (request, socket) => {
    answerPeer({ ...options, random: systemRandom, isOpen: () => false }, request, socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  try {
    const head = [`GET ${PEER_PATH} HTTP/1.1`, 'host: a', 'connection: upgrade']
    client.write([...head, `upgrade: ${PEER_PROTOCOL}`, '', ''].join('\r\n'))
    const [answer] = (await once(client, 'data')) as [Buffer]
    assert.match(answer.toString(), /^HTTP\/1.1 409/)
    const connections = promisify(server.getConnections.bind(server))
    await until(async () => (await connections()) === 0)
  } finally {
    client.destroy()
    server.close()
  }
})
