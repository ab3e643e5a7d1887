/** A tenant that is told of the end of a batch by the real program. */

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, it } from 'node:test'
import { toFile } from 'openai'
import { eventually } from '../src/base/test-eventually.ts'
import { openAi } from './sdk-clients.ts'
import { removeHome, startServer, type TestServer } from './server.ts'

let server: TestServer
let hook: string
const received: { headers: Record<string, string>; body: string }[] = []
let status = 503

const receiver = createServer(async (request, response) => {
  let body = ''
  for await (const chunk of request) body += String(chunk)
  received.push({ headers: request.headers as Record<string, string>, body })
  response.writeHead(status).end()
})

const environment = { GRISTMILL_ENGINE: 'none', GRISTMILL_WEBHOOK_TARGETS: '127.0.0.1' }

before(async () => {
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
  hook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`
  server = await startServer({ model: null, env: environment })
})
after(async () => {
  await server.stop()
  removeHome(server.home)
  receiver.closeAllConnections()
  receiver.close()
})

it('hears of a batch that failed, again after a restart, until it says that it has', async () => {
  const client = openAi(server)
  const { rows } = await server.api<{ rows: { id: string }[] }>('GET', '/api/tenants')
  const path = `/api/tenants/${rows[0]?.id}/webhook`
  const { secret } = await server.api<{ secret: string }>('PUT', path, { url: hook })
  const file = await toFile(Buffer.from('no JSON\n'), 'x.jsonl')
  const { id: input_file_id } = await client.files.create({ file, purpose: 'batch' })
  const endpoint = '/v1/chat/completions'
  const batch = await client.batches.create({ input_file_id, endpoint, completion_window: '24h' })
  type Deliveries = { deliveries: { state: string; reason: string | null }[] }
  const delivery = async () => (await server.api<Deliveries>('GET', path)).deliveries[0]
  await eventually('a first attempt', async () => (await delivery())?.reason ?? false)
  assert.equal(received.length, 1)
  const { home, apiKey } = server
  await server.stop('SIGKILL')
  status = 200
  server = await startServer({ model: null, env: environment, home })
  const second = await eventually('a second attempt', () => received[1])
  const event = await openAi(server, apiKey).webhooks.unwrap(second.body, second.headers, secret)
  assert.equal(event.type, 'batch.failed')
  assert.deepEqual(event.data, { id: batch.id })
  assert.equal(second.headers['webhook-id'], received[0]?.headers['webhook-id'])
  await eventually('the delivery is noted', async () => (await delivery())?.state === 'delivered')
})
