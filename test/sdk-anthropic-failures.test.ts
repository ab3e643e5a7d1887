/**
 * What the official Anthropic client throws when something goes wrong, against the real server. The
 * table in docs/sdk-errors.md is checked against it.
 */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import type Anthropic from '@anthropic-ai/sdk'
import { APIError } from '@anthropic-ai/sdk'
import { eventually } from '../src/base/test-eventually.ts'
import { anthropic, askMessage as ask } from './anthropic-client.ts'
import { holdSlot, inFlight, openAi, settled, thrownBy, waitingOf } from './sdk-clients.ts'
import { removeHome, startServer, type TestServer } from './server.ts'

let server: TestServer
let client: Anthropic

before(async () => {
  server = await startServer({
    env: {
      GRISTMILL_COMMIT_AFTER: '600',
      GRISTMILL_KEEP_ALIVE_MS: '200',
      GRISTMILL_BODY_BYTES_MAX: String(256 * 1024),
    },
  })
  client = anthropic(server)
})
after(async () => {
  await server.stop()
  removeHome(server.home)
})

/** One row of the table: what went wrong, the class, the status, the type and the code. */
type Row = [failure: string, thrown: string, status: string, type: string, code: string]
const table: Row[] = []

async function fails(row: Row, attempt: () => PromiseLike<unknown>): Promise<APIError> {
  const error = await thrownBy(attempt())
  assert.ok(error instanceof APIError, String(error))
  const { status, type, errorCode } = error
  const found = [error.constructor.name, ...[status, type, errorCode].map((v) => String(v ?? '-'))]
  assert.deepEqual(found, row.slice(1), error.message)
  table.push(row)
  return error
}

const create = (changes: Record<string, unknown> = {}, options: Anthropic.RequestOptions = {}) =>
  client.messages.create(ask(changes), options)

async function read(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

const BAD = 'invalid_request_error'

describe('a request that is wrong', () => {
  it('has no key or a wrong one', async () => {
    const wrong = anthropic(server, 'gm-wrong')
    const row: Row = [
      'wrong key',
      'AuthenticationError',
      '401',
      'authentication_error',
      'invalid_api_key',
    ]
    const error = await fails(row, () => wrong.messages.create(ask()))
    assert.match(error.requestID ?? '', /^req_/)
    const response = await fetch(`${server.url}/v1/messages`, { method: 'POST', body: '{}' })
    assert.equal(response.status, 401)
    const body = (await response.json()) as { type: string; error: { type: string } }
    assert.deepEqual([body.type, body.error.type], ['error', 'authentication_error'])
  })

  it('names a model or a path that is not there', async () => {
    const row: Row = ['wrong model', 'NotFoundError', '404', 'not_found_error', 'model_not_found']
    await fails(row, () => create({ model: 'claude-17' }))
    const path: Row = [
      'endpoint that does not exist',
      'NotFoundError',
      '404',
      'not_found_error',
      'unknown_path',
    ]
    await fails(path, () => client.messages.batches.list())
  })

  it('is too long for the model, and is told both numbers', async () => {
    const messages = [{ role: 'user', content: 'mill '.repeat(5000) }]
    const row: Row = ['prompt too long', 'BadRequestError', '400', BAD, 'context_length_exceeded']
    const error = await fails(row, () => create({ messages }))
    assert.match(error.apiMessage ?? '', /^prompt is too long: \d{4,5} tokens > 4096 maximum$/)
    await fails(row, () => create({ messages, stream: true }))
    table.pop()
  })

  it('has values that cannot be, or asks for what is not there', async () => {
    const invalid: Row = ['invalid value', 'BadRequestError', '400', BAD, 'invalid_value']
    const error = await fails(invalid, () => create({ messages: [] }))
    assert.match(error.apiMessage ?? '', /^messages: /)
    const search = [{ type: 'web_search_20260318', name: 'web_search' }]
    const row: Row = ['unsupported tool', 'BadRequestError', '400', BAD, 'unsupported_parameter']
    await fails(row, () => create({ tools: search }))
    const source = { type: 'base64', media_type: 'image/png', data: 'AA==' }
    const messages = [{ role: 'user', content: [{ type: 'image', source }] }]
    const blind: Row = [
      'picture for a model without eyes',
      'BadRequestError',
      '400',
      BAD,
      'unsupported_parameter',
    ]
    await fails(blind, () => create({ messages }))
  })

  it('is too large', async () => {
    const messages = [{ role: 'user', content: 'x'.repeat(300 * 1024) }]
    const row: Row = [
      'body too large',
      'ContentTooLargeError',
      '413',
      'request_too_large',
      'body_too_large',
    ]
    await fails(row, () => create({ messages }))
  })
})

describe('a server that is busy', () => {
  it('refuses a full queue at once, and a client tries again by itself', async () => {
    const { key } = await server.tenant('full', { limits: { concurrencyMax: 1, queueDepthMax: 1 } })
    const held = await holdSlot(openAi(server, key))
    const second = anthropic(server, key).messages.create(ask())
    await eventually('one waits', async () => (await waitingOf(server, key)) === 1)
    const row: Row = ['full queue', 'RateLimitError', '429', 'rate_limit_error', 'queue_full']
    const error = await fails(row, () => anthropic(server, key).messages.create(ask()))
    assert.ok(Number(error.headers?.get('retry-after')) >= 1)
    const patient = anthropic(server, key, {
      maxRetries: 5,
      fetch: async (url, init) => {
        const response = await fetch(url, init)
        if (response.status === 429) held.release()
        return response
      },
    })
    assert.equal((await patient.messages.create(ask())).role, 'assistant')
    await Promise.all([second, held.ended])
  })

  it('refuses after the wait: with a status, or with an event where the stream has begun', async () => {
    const { key } = await server.tenant('slow', { limits: { concurrencyMax: 1 } })
    const busy = anthropic(server, key)
    const held = await holdSlot(openAi(server, key))
    const soon = { headers: { 'x-gristmill-max-wait-ms': '150' } }
    const row: Row = [
      'refused after waiting',
      'GatewayTimeoutError',
      '504',
      'timeout_error',
      'wait_limit_exceeded',
    ]
    await fails(row, () => busy.messages.create(ask(), soon))
    const later = { headers: { 'x-gristmill-max-wait-ms': '1500' } }
    const stream = await busy.messages.create({ ...ask(), stream: true }, later)
    const begun: Row = [
      'the same, stream begun',
      'APIError',
      '-',
      'timeout_error',
      'wait_limit_exceeded',
    ]
    await fails(begun, () => read(stream))
    held.release()
    await held.ended
  })
})

describe('an answer that breaks off', () => {
  it('frees its slot when the application aborts it', async () => {
    const endless = ask({ max_tokens: 4000, ignore_eos: true })
    const row: Row = ['aborted by the application', 'APIUserAbortError', '-', '-', '-']
    const stream = client.messages.stream(endless)
    stream.on('text', () => stream.abort())
    await fails(row, () => stream.finalMessage())
    const timeout: Row = ['client timeout', 'APIConnectionTimeoutError', '-', '-', '-']
    const slow = { ...endless, stop_sequences: ['zebra'] }
    await fails(timeout, () => client.messages.create(slow, { timeout: 300 }))
    await eventually('nothing runs', async () => (await inFlight(server)) === 0)
    const requestId = stream.request_id ?? ''
    const { group, end, estimated } = await settled(server, requestId)
    assert.deepEqual([group, end, estimated], ['cut', 'client_gone', false])
  })

  it('ends with an error event when its key is revoked', async () => {
    const { id: tenantId } = await server.tenant('revoked')
    const { id, key } = await server.api<{ id: string; key: string }>('POST', '/api/keys', {
      tenantId,
    })
    const stream = await anthropic(server, key).messages.create({
      ...ask({ max_tokens: 4000, ignore_eos: true }),
      stream: true,
    })
    const ended = thrownBy(read(stream))
    await eventually('it runs', async () => (await inFlight(server)) === 1)
    await server.api('DELETE', `/api/keys/${id}`)
    const row: Row = [
      'key revoked, stream begun',
      'APIError',
      '-',
      'authentication_error',
      'key_revoked',
    ]
    await fails(row, async () => {
      throw await ended
    })
  })
})

describe('the document', () => {
  it('tells what the client throws as it is', () => {
    const rows = table.map(([failure, thrown, ...rest]) => {
      const [status, ...words] = rest
      const named = words.map((word) => (word === '-' ? '-' : `\`${word}\``))
      return `| ${failure} | \`${thrown}\` | ${status} | ${named.join(' | ')} |`
    })
    process.stderr.write(`${rows.join('\n')}\n`)
    const text = readFileSync(new URL('../docs/sdk-errors.md', import.meta.url), 'utf8')
    for (const row of rows) assert.ok(text.includes(row), row)
  })
})
