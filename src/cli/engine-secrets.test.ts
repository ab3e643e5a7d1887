/** Rented services and the keys of engines on the command line, against a stand-in of the API. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, beforeEach, test } from 'node:test'
import { cli } from './test-cli.ts'

const key = {
  id: 'ekey_1',
  fingerprint: '0a1b2c3d',
  createdAt: '2026-11-28T12:00:00.000Z',
  rest: 'limited',
}
const cost = {
  engineName: 'OpenAI',
  actor: 'cli',
  fromAt: '2026-12-01T00:00:00.000Z',
  machine: '2.1',
  energy: '0',
  staff: '0',
  total: '2.1',
}
const found = {
  id: 'eng_1',
  name: 'OpenAI',
  state: 'up',
  models: [{ name: 'gpt-x' }, { name: 'gpt-y' }],
  summary: 'Rented from OpenAI, gpt-x, gpt-y, shared cache',
  advice: 'Set it up better.',
}
let seen: { line: string; body: unknown }[] = []

const server = createServer((request, response) => {
  let text = ''
  request.on('data', (chunk: Buffer) => (text += chunk.toString()))
  request.on('end', () => {
    const { method = '', url = '' } = request
    const { pathname } = new URL(url, 'http://localhost')
    seen.push({ line: `${method} ${pathname}`, body: text === '' ? null : JSON.parse(text) })
    const isEmpty = method === 'DELETE' || pathname.endsWith('/rotate')
    if (isEmpty) response.writeHead(204).end()
    else if (pathname.endsWith('/costs')) response.end(JSON.stringify(cost))
    else if (pathname.endsWith('/keys')) response.end(JSON.stringify([key]))
    else if (method === 'GET') response.end(JSON.stringify({ rows: [found], next: null }))
    else response.end(JSON.stringify(found))
  })
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
after(() => server.close())
beforeEach(() => {
  seen = []
})
const { port } = server.address() as AddressInfo
const environment = {
  GRISTMILL_URL: `http://127.0.0.1:${port}`,
  GRISTMILL_HOME: '/nonexistent',
  OPENAI_API_KEY: 'sk-of-the-service',
}
const run = async (line: string) => {
  const { code, out, err } = await cli(line.split(' '), environment)
  assert.equal(code, 0, err)
  assert.ok(!out.includes('sk-of-the-service'))
  return out
}

test('a service is added by its name, its models and a variable that holds its key', async () => {
  const add = 'engine add --service openai --api-key-env OPENAI_API_KEY --model gpt-x gpt-y'
  const body = { service: 'openai', models: ['gpt-x', 'gpt-y'], apiKey: 'sk-of-the-service' }
  const told = await run(add)
  assert.deepEqual(seen, [{ line: 'POST /api/engines', body }])
  assert.match(
    told,
    /Added OpenAI .*\n?.*Rented from OpenAI.*\nCould be better: Set it up better\./,
  )
  assert.match(await run(`${add} --dry-run`), /^Rented from OpenAI/)
  assert.deepEqual(seen.at(-1), { line: 'POST /api/engines/detect', body })
})

test('keys are listed, added, replaced and removed, and all encrypted anew', async () => {
  assert.match(await run('engine secret list OpenAI'), /ekey_1 +0a1b2c3d .*its rate is used up/)
  await run('engine secret add OpenAI --api-key-env OPENAI_API_KEY')
  await run('engine secret set OpenAI --api-key-env OPENAI_API_KEY')
  await run('engine secret remove ekey_1')
  await run('engine secret rotate')
  const apiKey = 'sk-of-the-service'
  assert.deepEqual(
    seen.filter(({ line }) => line !== 'GET /api/engines'),
    [
      { line: 'GET /api/engines/eng_1/keys', body: null },
      { line: 'POST /api/engines/eng_1/keys', body: { apiKey, replace: false } },
      { line: 'POST /api/engines/eng_1/keys', body: { apiKey, replace: true } },
      { line: 'DELETE /api/engine-keys/ekey_1', body: null },
      { line: 'POST /api/engine-keys/rotate', body: {} },
    ],
  )
})

test('what an engine costs is set by its name', async () => {
  const told = await run('engine cost set OpenAI --machine 2.10 --from 2026-12-01T00:00Z')
  const body = { machine: '2.10', from: '2026-12-01T00:00:00.000Z' }
  assert.deepEqual(seen.at(-1), { line: 'POST /api/engines/eng_1/costs', body })
  assert.match(told, /OpenAI.*2\.1/)
  const { code, err } = await cli('engine cost set OpenAI --energy 1,5'.split(' '), environment)
  assert.equal(code, 2)
  assert.match(err, /Give an amount such as 2.10/)
})
