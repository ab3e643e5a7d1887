/** Prompts, answers and keys stay out of every log, also at its chattiest and when things fail. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { KeyCreated } from '../src/http/contract.ts'
import { ask, askStream, collect, holdSlot, openAi, thrownBy } from './sdk-clients.ts'
import { type Ended, newHome, removeHome, startServer } from './server.ts'

/** Stands in prompts, tools, names and wrong values. */
const PROMPT = 'zebra-crossing-4711'
/** Stands in everything that proves who somebody is. */
const SECRET = 'quokka-secret-8150'
/** Word of every answer of the toy model that is long enough. */
const ANSWER = 'the valley'

const home = newHome()
let ended: Ended
const keys: string[] = []

/** Everything that a client can do wrong or right with the marks in it. */
async function misbehave(): Promise<void> {
  const env = { GRISTMILL_LOG_LEVEL: 'trace', GRISTMILL_SHUTDOWN_MS_MAX: '500' }
  const server = await startServer({ home, env })
  const { id: tenantId, key } = await server.tenant('private')
  const made = await server.api<KeyCreated>('POST', '/api/keys', { tenantId })
  const sha256 = createHash('sha256').update(SECRET).digest('hex')
  await server.api('POST', '/api/keys/import', { tenantId, sha256 })
  keys.push(server.apiKey, key, made.key, SECRET, readFileSync(join(home, 'cli-token'), 'utf8'))
  const client = openAi(server, key)
  const messages = [{ role: 'user', content: PROMPT }]
  const long = { max_tokens: 600, ignore_eos: true, messages }
  const answer = await client.chat.completions.create(ask(long))
  assert.match(answer.choices[0]?.message.content ?? '', new RegExp(ANSWER))
  await collect(await client.chat.completions.create(askStream(long)))
  await client.completions.create({ model: 'toy', prompt: PROMPT, max_tokens: 3 })
  await client.embeddings.create({ model: 'toy', input: PROMPT })
  const parameters = { type: 'object', properties: { [PROMPT]: { type: 'boolean' } } }
  const tool = { type: 'function', function: { name: PROMPT, description: PROMPT, parameters } }
  await client.chat.completions.create(ask({ tools: [tool], tool_choice: 'required' }))
  // llama.cpp prints a grammar that it cannot take.
  const items = { type: 'object', properties: { [PROMPT]: { enum: [PROMPT] } } }
  const tooMany = { type: 'array', maxItems: 2000, items }
  const wrong: Record<string, unknown>[] = [
    { messages: [{ role: PROMPT, content: PROMPT }] },
    { messages: [{ role: 'user', content: [{ type: PROMPT, text: 1 }] }] },
    { messages: [{ role: 'user', content: `${PROMPT} `.repeat(2000) }] },
    { temperature: PROMPT },
    { tools: [tool], tool_choice: { type: 'function', function: { name: `${PROMPT}-2` } } },
    { response_format: { type: 'json_schema', json_schema: { schema: { pattern: PROMPT } } } },
    { response_format: { type: 'json_schema', json_schema: { schema: tooMany } } },
    { stop: [PROMPT, 7] },
  ]
  for (const changes of wrong) {
    await thrownBy(client.chat.completions.create(ask({ messages, ...changes })))
    await thrownBy(client.chat.completions.create(askStream({ messages, ...changes })))
  }
  const { url } = server
  const post = (path: string, body: string, headers: Record<string, string> = {}) =>
    fetch(url + path, {
      method: 'POST',
      body,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    })
  await post('/v1/chat/completions', `{"messages": "${PROMPT}`)
  await post('/v1/chat/completions', JSON.stringify(ask({ messages })), {
    authorization: `Bearer ${SECRET}x`,
  })
  await post('/v1/chat/completions', JSON.stringify(ask({ messages })), { 'x-api-key': SECRET })
  await post('/api/tenants', `{"name": "${PROMPT}`, { authorization: `Bearer ${SECRET}x` })
  const login = { email: 'nobody@example.org', password: SECRET }
  await post('/api/session', JSON.stringify(login))
  const held = await holdSlot(client, { messages })
  const revoked = await holdSlot(openAi(server, made.key), { messages })
  held.release()
  await server.api('DELETE', `/api/keys/${made.id}`)
  await Promise.all([held.ended, revoked.ended])
  await holdSlot(client, { messages })
  ended = await server.stop()
}

before(misbehave)
after(() => removeHome(home))

/** Files under the data home, by path; PostgreSQL's own included. */
function* files(folder: string): Generator<[string, Buffer]> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* files(path)
    else if (entry.isFile()) yield [relative(home, path), readFileSync(path)]
  }
}

describe('at the chattiest log level', () => {
  it('the log says a lot', () => {
    assert.ok(ended.stderr.split('\n').length > 20, ended.stderr)
  })

  it('no line has a prompt, an answer or a key', () => {
    for (const mark of [PROMPT, SECRET, ANSWER, ...keys]) {
      const line = ended.stderr.split('\n').find((text) => text.includes(mark))
      assert.equal(line, undefined)
    }
  })

  it('nothing on the disk has a prompt or an answer, not even the database', () => {
    for (const [path, content] of files(home)) {
      for (const mark of path === 'cache/toy.gguf' ? [PROMPT] : [PROMPT, ANSWER]) {
        assert.ok(!content.includes(mark), `${path} has ${mark}`)
      }
    }
  })

  it('nothing on the disk has a key, only its hash', () => {
    for (const [path, content] of files(home)) {
      if (path === 'cli-token') continue
      for (const key of keys) assert.ok(!content.includes(key), path)
    }
  })
})
