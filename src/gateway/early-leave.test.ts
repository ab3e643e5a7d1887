/** Clients that have gone by the time that it is known who they are. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { test } from 'node:test'
import { answerChat, startTestEngine } from '../engine/index.ts'
import { startTestGateway, testPrincipal } from './test-gateway.ts'

test('take no place among the open requests', async () => {
  const mill = await startTestGateway({ limits: { streamsMax: 1 } })
  const engine = await startTestEngine()
  engine.answer((one) => answerChat(one, ['good']))
  mill.setEngine(engine)
  const server = createServer((request, response) => {
    response.on('close', () => {
      mill.gateway.handle(request, response, testPrincipal('ben'), 'req_late')
      server.emit('handled')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    for (let i = 0; i < 3; i++) {
      const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
      client.write('POST /v1/chat/completions HTTP/1.1\r\nhost: mill\r\ncontent-length: 9\r\n\r\n')
      await once(server, 'request')
      const handled = once(server, 'handled')
      client.destroy()
      await handled
    }
    const body = JSON.stringify({ model: 'mill', messages: [{ role: 'user', content: 'Hi' }] })
    const headers = { authorization: 'Bearer sk-anna' }
    const url = `${mill.baseUrl}/chat/completions`
    const answer = await fetch(url, { method: 'POST', headers, body })
    assert.equal(answer.status, 200, await answer.text())
  } finally {
    server.close()
    await mill.close()
    await engine.close()
  }
})
