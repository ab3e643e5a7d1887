/** What the engine's server does with clients that do not behave. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import { after, before, test } from 'node:test'
import { GristmillError, type Logger, systemClock, systemRandom } from '../base/index.ts'
import { until } from '../base/test-eventually.ts'
import { createHttpServer } from './http-server.ts'

const logged: unknown[] = []
const logger = { error: (...words: unknown[]) => logged.push(words) } as unknown as Logger
const server = createHttpServer({
  routes: [
    {
      method: 'POST',
      path: '/echo',
      handle: (exchange) => exchange.sendJson({ got: exchange.body }),
    },
    {
      method: 'GET',
      path: '/loading',
      handle: () => {
        throw new GristmillError('not_ready', { reason: 'x' })
      },
    },
    {
      method: 'GET',
      path: '/fail',
      handle: () => {
        throw new GristmillError('engine_failed', { reason: 'x' })
      },
    },
  ],
  bodyBytesMax: 1000,
  headerBytesMax: 4000,
  clock: systemClock,
  random: systemRandom,
  logger,
})
const port = () => (server.address() as AddressInfo).port
before(() => once(server.listen(0, '127.0.0.1'), 'listening'))
after(() => server.close())

const head = (length: number, path = '/echo') =>
  `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: ${length}\r\n\r\n`

test('a client that goes, or comes too early, is no error of the engine', async () => {
  const connections = () =>
    new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)))
  for (const leave of ['destroy', 'resetAndDestroy'] as const) {
    const socket = connect(port(), '127.0.0.1')
    const begun = once(server, 'request')
    socket.write(`${head(100)}{"a"`)
    await begun
    socket[leave]()
    await until(async () => (await connections()) === 0)
  }
  assert.equal((await fetch(`http://127.0.0.1:${port()}/loading`)).status, 503)
  assert.deepEqual(logged, [])
  assert.equal((await fetch(`http://127.0.0.1:${port()}/fail`)).status, 502)
  assert.equal(logged.length, 1, 'but one of the engine is')
})

test('a connection is good for the next request after one that was refused', async () => {
  const socket = connect(port(), '127.0.0.1')
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  socket.write(`${head(3)}{x}${head(4, '/none')}null${head(7)}{"a":1}`)
  await until(() => text.includes('{"got":{"a":1}}'))
  assert.deepEqual(text.match(/HTTP\/1.1 \d+/g), ['HTTP/1.1 400', 'HTTP/1.1 404', 'HTTP/1.1 200'])
  socket.destroy()
})
