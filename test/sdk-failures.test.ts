/**
 * What the official OpenAI client throws when something goes wrong: every failure that an
 * application meets, provoked at the real server. The table in docs/sdk-errors.md is checked
 * against it.
 */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import OpenAI, { APIError } from 'openai'
import { eventually } from '../src/base/test-eventually.ts'
import {
  ask,
  askStream,
  collect,
  type Held,
  holdSlot,
  inFlight,
  openAi,
  settled,
  textOf,
  thrownBy,
  waitingOf,
} from './sdk-clients.ts'
import { removeHome, startServer, type TestServer } from './server.ts'

let server: TestServer
let client: OpenAI

before(async () => {
  server = await startServer({
    env: {
      GRISTMILL_COMMIT_AFTER: '600',
      GRISTMILL_KEEP_ALIVE_MS: '200',
      GRISTMILL_BODY_BYTES_MAX: String(256 * 1024),
    },
  })
  client = openAi(server)
})
after(async () => {
  await server.stop()
  removeHome(server.home)
})

/** One row of the table: what went wrong, the class, the status and the code. */
type Row = [failure: string, thrown: string, status: string, code: string]
const table: Row[] = []

/** Checks that it fails with this class, status and code, and notes it in the table. */
async function fails(row: Row, attempt: () => PromiseLike<unknown>): Promise<APIError> {
  const error = await thrownBy(attempt())
  assert.ok(error instanceof APIError, String(error))
  const { status, code } = error
  const found = [error.constructor.name, String(status ?? '-'), String(code ?? '-')]
  assert.deepEqual(found, row.slice(1), error.message)
  table.push(row)
  return error
}

const chat = (changes: Record<string, unknown> = {}, options: OpenAI.RequestOptions = {}) =>
  client.chat.completions.create(ask(changes), options)

/** A tenant that may run one request at once, with that one running. */
async function busyTenant(name: string, limits: Record<string, number> = {}) {
  const { key } = await server.tenant(name, { limits: { concurrencyMax: 1, ...limits } })
  const busy = openAi(server, key)
  return { key, client: busy, held: await holdSlot(busy) }
}

const isWaiting = (key: string, count: number) =>
  eventually(`${count} wait`, async () => (await waitingOf(server, key)) === count)

async function releaseAll(held: Held): Promise<void> {
  held.release()
  await held.ended
}

describe('a request that is wrong', () => {
  it('has no key, a wrong one, or one without the scope', async () => {
    const wrong = openAi(server, 'gm-wrong')
    const row: Row = ['wrong key', 'AuthenticationError', '401', 'invalid_api_key']
    const error = await fails(row, () => wrong.chat.completions.create(ask()))
    assert.match(error.requestID ?? '', /^req_/)
    const noKey = openAi(server, 'unused', { defaultHeaders: { authorization: null } })
    await fails(['no key', 'AuthenticationError', '401', 'missing_api_key'], () =>
      noKey.chat.completions.create(ask()),
    )
    const { id: tenantId } = await server.tenant('scoped')
    const made = await server.api<{ key: string }>('POST', '/api/keys', {
      tenantId,
      scopes: ['usage:read'],
    })
    const reader = openAi(server, made.key)
    await fails(['key without the scope', 'PermissionDeniedError', '403', 'forbidden'], () =>
      reader.chat.completions.create(ask()),
    )
  })

  it('names a model or a path that is not there', async () => {
    const row: Row = ['wrong model', 'NotFoundError', '404', 'model_not_found']
    const error = await fails(row, () => chat({ model: 'gpt-17' }))
    assert.match(error.message, /gpt-17.*GET \/v1\/models/)
    await fails(['endpoint that does not exist', 'NotFoundError', '404', 'unknown_path'], () =>
      client.moderations.create({ input: 'hello' }),
    )
    const lost = openAi(server, server.apiKey, { baseURL: server.url })
    const noV1: Row = ['base URL without /v1', 'NotFoundError', '404', 'unknown_path']
    assert.match((await fails(noV1, () => lost.chat.completions.create(ask()))).message, /\/v1/)
    assert.equal((await thrownBy(lost.models.list())).constructor.name, 'NotFoundError')
  })

  it('is too long for the model, and is told both numbers', async () => {
    const messages = [{ role: 'user', content: 'mill '.repeat(5000) }]
    const row: Row = ['prompt too long', 'BadRequestError', '400', 'context_length_exceeded']
    const error = await fails(row, () => chat({ messages }))
    assert.match(error.message, /context is 4096 tokens; the request needs \d{4,5} \(\d{4,5} in/)
    await fails(row, () => client.chat.completions.create(askStream({ messages })))
    table.pop()
    // Nobody has to name max_tokens to use what the context leaves.
    const long = [{ role: 'user', content: 'The mill stands by the river. '.repeat(100) }]
    const params = { messages: long, max_tokens: undefined, ignore_eos: true }
    const { usage, choices } = await chat(params)
    assert.equal(choices[0]?.finish_reason, 'length')
    assert.ok((usage?.total_tokens ?? 0) <= 4096)
  })

  it('has values that cannot be', async () => {
    const row: Row = ['invalid value', 'BadRequestError', '400', 'invalid_value']
    const wrong: [string, Record<string, unknown>][] = [
      ['temperature', { temperature: 3 }],
      ['max_tokens', { max_tokens: 0 }],
      ['max_tokens', { max_tokens: 'many' }],
      ['messages', { messages: [] }],
      ['messages.0', { messages: ['hello'] }],
      ['messages.0.role', { messages: [{ role: 'wizard', content: 'x' }] }],
      ['n', { n: 99 }],
      ['stream', { stream: 'yes' }],
      ['service_tier', { service_tier: 'gold' }],
      ['tool_choice', { tools: [], tool_choice: 'required' }],
      ['logit_bias.x', { logit_bias: { x: 1 } }],
    ]
    for (const [param, changes] of wrong) {
      const error = await fails(row, () => chat(changes))
      table.pop()
      assert.equal(error.param, param)
    }
    table.push(row)
    const headers = { 'x-gristmill-max-wait-ms': 'soon' }
    assert.equal((await thrownBy(chat({}, { headers }))).constructor.name, 'BadRequestError')
  })

  it('asks for what the engine cannot do', async () => {
    const picture = { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }
    const messages = [{ role: 'user', content: [picture] }]
    await fails(['unsupported content', 'BadRequestError', '400', 'unsupported_parameter'], () =>
      chat({ messages }),
    )
    const schema = { type: 'object', properties: { a: { type: 'string', pattern: '^(?=x)' } } }
    const json_schema = { name: 'x', strict: true, schema }
    await fails(['unsupported schema', 'BadRequestError', '400', 'unsupported_schema'], () =>
      chat({ response_format: { type: 'json_schema', json_schema } }),
    )
  })

  it('is too large or no JSON', async () => {
    const messages = [{ role: 'user', content: 'x'.repeat(300 * 1024) }]
    await fails(['body too large', 'APIError', '413', 'body_too_large'], () => chat({ messages }))
    const broken = await server.v1('/chat/completions', 0)
    assert.equal(broken.status, 400)
    assert.equal(((await broken.json()) as { error: { code: string } }).error.code, 'invalid_json')
  })
})

describe('a server that is busy', () => {
  it('refuses at once when the queue of the tenant is full', async () => {
    const busy = await busyTenant('full queue', { queueDepthMax: 1 })
    const second = busy.client.chat.completions.create(ask())
    await isWaiting(busy.key, 1)
    const row: Row = ['full queue', 'RateLimitError', '429', 'queue_full']
    const error = await fails(row, () => busy.client.chat.completions.create(ask()))
    assert.ok(Number(error.headers?.get('retry-after')) >= 1)
    assert.match(error.message, /queue of tenant full queue is full \(1 requests waiting\)/)
    await releaseAll(busy.held)
    assert.equal((await second).choices.length, 1)
  })

  it('tells the client to try again, which it does by itself', async () => {
    const busy = await busyTenant('patient', { queueDepthMax: 1 })
    const second = busy.client.chat.completions.create(ask())
    await isWaiting(busy.key, 1)
    const statuses: number[] = []
    const patient = openAi(server, busy.key, {
      maxRetries: 5,
      fetch: async (url, init) => {
        const response = await fetch(url, init)
        statuses.push(response.status)
        if (response.status === 429) busy.held.release()
        return response
      },
    })
    const answer = await patient.chat.completions.create(ask())
    assert.equal(answer.choices.length, 1)
    assert.equal(statuses[0], 429)
    assert.equal(statuses.at(-1), 200)
    await Promise.all([second, busy.held.ended])
  })

  it('refuses with a status after the wait that the client allows', async () => {
    const busy = await busyTenant('impatient')
    const headers = { 'x-gristmill-max-wait-ms': '150' }
    const row: Row = ['refused after waiting', 'InternalServerError', '504', 'wait_limit_exceeded']
    await fails(row, () => busy.client.chat.completions.create(ask(), { headers }))
    await fails(row, () => busy.client.chat.completions.create(askStream(), { headers }))
    table.pop()
    assert.equal(await waitingOf(server, busy.key), 0)
    await releaseAll(busy.held)
  })

  it('refuses with an error event once it has begun to answer', async () => {
    const busy = await busyTenant('committed')
    const headers = { 'x-gristmill-max-wait-ms': '1500' }
    const { data, response } = await busy.client.chat.completions
      .create(askStream(), { headers })
      .withResponse()
    assert.equal(response.status, 200)
    const row: Row = ['the same, stream begun', 'APIError', '-', 'wait_limit_exceeded']
    const error = await fails(row, () => collect(data))
    assert.ok('retry_after_ms' in (error.error as object))
    await releaseAll(busy.held)
  })

  it('keeps a stream open that waits longer, and answers it whole', async () => {
    const busy = await busyTenant('kept alive')
    const { data, response } = await busy.client.chat.completions
      .create(askStream({ temperature: 0 }))
      .withResponse()
    assert.equal(response.status, 200)
    assert.equal(await waitingOf(server, busy.key), 1, 'it still waits when its status is out')
    await releaseAll(busy.held)
    const chunks = await collect(data)
    const plain = await busy.client.chat.completions.create(ask({ temperature: 0 }))
    assert.equal(textOf(chunks), plain.choices[0]?.message.content)
  })

  it('limits tokens per minute of a tenant', async () => {
    const { key } = await server.tenant('metered', { limits: { tokensPerMinute: 400 } })
    const metered = openAi(server, key)
    const use = () => metered.chat.completions.create(ask({ max_tokens: 250, ignore_eos: true }))
    assert.equal((await use()).usage?.completion_tokens, 250)
    const row: Row = ['tokens per minute', 'RateLimitError', '429', 'tokens_per_minute_exceeded']
    const error = await fails(row, use)
    assert.ok(Number(error.headers?.get('retry-after')) >= 1)
    const tooMuch = [{ role: 'user', content: 'mill '.repeat(1000) }]
    await fails(
      ['larger than the limit', 'BadRequestError', '400', 'requests_too_large_for_limit'],
      () => metered.chat.completions.create(ask({ messages: tooMuch })),
    )
  })
})

describe('an answer that breaks off', () => {
  it('ends with an error event when its key is revoked', async () => {
    const { id: tenantId } = await server.tenant('revoked')
    const { id, key } = await server.api<{ id: string; key: string }>('POST', '/api/keys', {
      tenantId,
    })
    const held = await holdSlot(openAi(server, key))
    await server.api('DELETE', `/api/keys/${id}`)
    await fails(['key revoked, stream begun', 'APIError', '-', 'key_revoked'], async () => {
      const error = await held.ended
      if (error) throw error
    })
    const row = await settled(server, held.requestId)
    assert.deepEqual([row.group, row.end, row.estimated], ['cut', 'key_revoked', false])
  })

  it('is given up by the application or by its clock', async () => {
    const slow = ask({ max_tokens: 3900, n: 8, ignore_eos: true })
    await fails(['client timeout', 'APIConnectionTimeoutError', '-', '-'], () =>
      client.chat.completions.create(slow, { timeout: 300 }),
    )
    const signal = AbortSignal.timeout(300)
    await fails(['aborted by the application', 'APIUserAbortError', '-', '-'], () =>
      client.chat.completions.create(slow, { signal }),
    )
    await eventually('nothing runs', async () => (await inFlight(server)) === 0)
  })

  it('meets nobody at the address', async () => {
    const nowhere = new OpenAI({ baseURL: 'http://127.0.0.1:9/v1', apiKey: 'x', maxRetries: 0 })
    await fails(['no server there', 'APIConnectionError', '-', '-'], () =>
      nowhere.chat.completions.create(ask()),
    )
  })
})

describe('retries of the client', () => {
  it('happen for what may pass, and never where they cannot help', async () => {
    const attempts: number[] = []
    const eager = openAi(server, server.apiKey, {
      maxRetries: 2,
      fetch: async (url, init) => {
        const response = await fetch(url, init)
        attempts.push(response.status)
        return response
      },
    })
    await thrownBy(eager.chat.completions.create(ask({ temperature: 9 })))
    await thrownBy(eager.chat.completions.create(ask({ model: 'gpt-17' })))
    const messages = [{ role: 'user', content: 'mill '.repeat(5000) }]
    await thrownBy(eager.chat.completions.create(ask({ messages })))
    assert.deepEqual(attempts, [400, 404, 400])
  })
})

describe('the document', () => {
  it('tells what the client throws as it is', () => {
    const rows = table.map(([failure, thrown, status, code]) => {
      return `| ${failure} | \`${thrown}\` | ${status} | ${code === '-' ? '-' : `\`${code}\``} |`
    })
    process.stderr.write(`${rows.join('\n')}\n`)
    const text = readFileSync(new URL('../docs/sdk-errors.md', import.meta.url), 'utf8')
    for (const row of rows) assert.ok(text.includes(row), row)
  })
})
