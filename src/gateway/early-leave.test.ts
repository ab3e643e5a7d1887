/** Clients that have gone before their request is taken. */
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

test('are not answered where they go between the end of their body and their turn', async () => {
  const mill = await startTestGateway()
  const engine = await startTestEngine()
  engine.answer((one) => answerChat(one, ['good']))
  mill.setEngine(engine)
  const server = createServer((request, response) => {
    // After connections are looked at, so that this one is closed before the next turn.
    setImmediate(() => {
      mill.gateway.handle(request, response, testPrincipal('ben'), 'req_gone')
      request.on('end', () => request.socket.destroy())
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    const body = JSON.stringify({ model: 'mill', messages: [{ role: 'user', content: 'Hi' }] })
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/chat/completions`
    await assert.rejects(fetch(url, { method: 'POST', body }))
    assert.equal(mill.gateway.liveCount, 0)
    assert.equal(mill.pool.running.size + mill.pool.waitingCount, 0)
    assert.deepEqual(mill.ledger.intents, [])
  } finally {
    server.close()
    await mill.close()
    await engine.close()
  }
})
