import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { seededRandom } from '../src/base/index.ts'
import { saturate } from './utilisation-load.ts'

const asked: string[] = []
const server = createServer((request, response) => {
  asked.push(`${request.headers.authorization} ${request.url}`)
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const frame = (fields: object) => response.write(`data: ${JSON.stringify(fields)}\n\n`)
  request.resume().on('end', () => {
    frame({ choices: [{ text: 'one' }] })
    setTimeout(() => {
      frame({ choices: [{ text: ' two' }] })
      frame({ choices: [], usage: { prompt_tokens: 17, completion_tokens: 2 } })
      response.end('data: [DONE]\n\n')
    }, 20)
  })
})
before(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)))
after(() => server.close())

test('tenants that saturate an engine begin in turns and keep their requests running', async () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const targets = ['a', 'b'].map((key) => ({ url, key, model: 'm', isBare: true }))
  const arm = await saturate(targets, 5, 1500, seededRandom(1))
  const first = asked.slice(0, 5).map((line) => line.split(' ')[1])
  assert.equal(first.filter((key) => key === 'a').length, 2)
  assert.ok(asked.every((line) => line.endsWith(' /v1/completions')))
  assert.deepEqual(new Set(arm.interactive.map(({ tenant }) => tenant)), new Set([0, 1]))
  assert.ok(arm.interactive.length > 5, 'each goes on when its answer has come')
  for (const { usage, tokenMs, endMs } of arm.interactive) {
    assert.deepEqual(usage, { promptTokens: 17, cachedTokens: 0, outputTokens: 2 })
    assert.equal(tokenMs.length, 2)
    assert.notEqual(endMs, null)
  }
})
