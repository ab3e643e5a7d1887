import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { it } from 'node:test'
import { until } from '../base/test-eventually.ts'
import { boundReading } from './slow-client.ts'

it('an answer that its client does not read ends, and one that it reads does not', async () => {
  const open = { '/unread': 0, '/read': 0 }
  const server = createServer((request, response) => {
    const path = request.url as keyof typeof open
    open[path]++
    response.on('close', () => open[path]--)
    boundReading(response, path === '/read' ? 60_000 : 100)
    response.end(Buffer.alloc(32 * 1024 * 1024))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const ask = (path: string) => {
    const client = connect(port, '127.0.0.1')
    client.on('error', () => undefined)
    client.write(`GET ${path} HTTP/1.1\r\nhost: mill\r\n\r\n`)
    return client
  }
  const unread = ask('/unread')
  const read = ask('/read')
  try {
    await until(() => open['/unread'] === 1 && open['/read'] === 1)
    await until(() => open['/unread'] === 0)
    assert.equal(open['/read'], 1)
    read.resume()
    await until(() => open['/read'] === 0)
    assert.equal(read.closed, false, 'its connection can be used again')
  } finally {
    unread.destroy()
    read.destroy()
    server.close()
  }
})
