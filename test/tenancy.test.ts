/** Tenants and keys as an operator sets them and a client meets them, at the real server. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { eventually } from '../src/base/test-eventually.ts'
import type {
  KeyCreated,
  KeyView,
  QueueView,
  RouteExplanationView,
  TenantView,
} from '../src/http/contract.ts'
import { ask, collect, holdSlot, openAi, settled, thrownBy } from './sdk-clients.ts'
import { removeHome, startServer, type TestServer } from './server.ts'

let server: TestServer

before(async () => {
  server = await startServer({ env: { GRISTMILL_END_USER_HEADER: 'x-person' } })
})
after(async () => {
  await server.stop()
  removeHome(server.home)
})

const chat = (key: string, changes: Record<string, unknown> = {}, headers = {}) =>
  openAi(server, key).chat.completions.create(ask({ max_tokens: 4, ...changes }), { headers })

/** Status that a chat with this key is refused with; undefined where it is answered. */
async function refusal(key: string): Promise<number | undefined> {
  const response = await server.v1('/chat/completions', ask({ max_tokens: 1 }), { key })
  await response.arrayBuffer()
  return response.status === 200 ? undefined : response.status
}

const isRefused = (key: string) => eventually('the key is refused', async () => await refusal(key))

/** A new tenant with a key as the values say. */
async function newKey(values: Record<string, unknown> = {}, tenant: Record<string, unknown> = {}) {
  const name = `tenant ${++serial}`
  const { id } = await server.api<TenantView>('POST', '/api/tenants', { name, ...tenant })
  return server.api<KeyCreated>('POST', '/api/keys', { tenantId: id, ...values })
}
let serial = 0

const change = (key: KeyView, values: object) => server.api('PATCH', `/api/keys/${key.id}`, values)

async function ledgerRow(answer: PromiseLike<unknown> & { withResponse(): unknown }) {
  const { request_id } = (await answer.withResponse()) as { request_id: string }
  return settled(server, request_id)
}

const getAs = (key: string, path: string) =>
  fetch(server.url + path, { headers: { authorization: `Bearer ${key}` } })

describe('a key', () => {
  it('stops working when it is revoked, its stream ends, and no other key notices', async () => {
    const revoked = await newKey()
    const other = await newKey()
    const held = await holdSlot(openAi(server, revoked.key))
    const bystander = await holdSlot(openAi(server, other.key))
    let hasOtherEnded = false
    void bystander.ended.then(() => {
      hasOtherEnded = true
    })
    await server.api('DELETE', `/api/keys/${revoked.id}`)
    assert.match(String(await held.ended), /revoked/)
    assert.equal(await isRefused(revoked.key), 401)
    assert.equal(hasOtherEnded, false)
    bystander.release()
    await bystander.ended
    const shown = await server.api<KeyView>('GET', `/api/keys/${revoked.id}`)
    assert.equal(shown.state, 'revoked')
  })

  it('stops working when it expires', async () => {
    const key = await newKey()
    assert.equal(await refusal(key.key), undefined)
    await change(key, { expiresAt: new Date(Date.now() + 1000).toISOString() })
    assert.equal(await isRefused(key.key), 401)
    assert.equal((await server.api<KeyView>('GET', `/api/keys/${key.id}`)).state, 'expired')
  })

  it('keeps its id over a rotation, and both secrets work until the overlap is over', async () => {
    const old = await newKey()
    const rotate = (overlapS: number) =>
      server.api<KeyCreated>('POST', `/api/keys/${old.id}/rotate`, { overlapS })
    const next = await rotate(60)
    assert.equal(next.id, old.id)
    assert.equal(next.state, 'rotating')
    assert.deepEqual([await refusal(old.key), await refusal(next.key)], [undefined, undefined])
    const last = await rotate(0)
    assert.equal(await isRefused(next.key), 401)
    assert.equal(await refusal(last.key), undefined)
    const row = await ledgerRow(chat(last.key))
    assert.equal(row.keyId, old.id)
  })

  it('of another gateway works by its hash alone, whatever it looks like', async () => {
    const { tenantId } = await newKey()
    for (const secret of ['sk-proj-Ab_9-foreign', 'x', `longer ${'ab'.repeat(100)}`.trim()]) {
      assert.equal(await refusal(secret), 401)
      const sha256 = createHash('sha256').update(secret).digest('hex')
      const key = await server.api<KeyView>('POST', '/api/keys/import', { tenantId, sha256 })
      await eventually('it works', async () => (await refusal(secret)) === undefined)
      assert.equal((await ledgerRow(chat(secret))).keyId, key.id)
    }
  })

  it('may do what its scopes say and no more', async () => {
    const inference = await newKey()
    const reader = await newKey({ scopes: ['usage:read', 'queue:read'] })
    assert.equal(await refusal(reader.key), 403)
    const statusOf = async (key: string, path: string) => (await getAs(key, path)).status
    assert.deepEqual(
      [await statusOf(reader.key, '/api/usage'), await statusOf(reader.key, '/v1/queue')],
      [200, 200],
    )
    assert.deepEqual(
      [await statusOf(inference.key, '/api/usage'), await statusOf(reader.key, '/v1/models')],
      [403, 403],
    )
    assert.equal(await statusOf(inference.key, '/api/tenants'), 403)
    await change(reader, { scopes: ['inference'] })
    await eventually('it may chat', async () => (await refusal(reader.key)) === undefined)
  })

  it('reads nothing of another tenant', async () => {
    const mine = await newKey({ scopes: ['inference', 'usage:read'] })
    const theirs = await newKey()
    const row = await ledgerRow(chat(theirs.key))
    const own = await ledgerRow(chat(mine.key))
    assert.equal((await getAs(mine.key, `/api/requests/${own.id}`)).status, 200)
    assert.equal((await getAs(mine.key, `/api/requests/${row.id}`)).status, 404)
    assert.equal((await getAs(mine.key, `/api/usage?tenant=${theirs.tenantId}`)).status, 404)
    const usage = await (await getAs(mine.key, '/api/usage')).json()
    const tenants = (usage as { rows: { tenantId: string }[] }).rows.map((one) => one.tenantId)
    assert.deepEqual(new Set(tenants), new Set([mine.tenantId]))
  })

  it('has limits of its own on tokens and on what runs at once', async () => {
    const slow = await newKey({ limits: { tokensPerMinute: 300 } })
    await chat(slow.key, { max_tokens: 200, ignore_eos: true })
    const error = await thrownBy(chat(slow.key, { max_tokens: 200 }))
    assert.match(error.message, /300 tokens per minute of key/)
    await change(slow, { limits: { tokensPerMinute: null } })
    await eventually('the limit is gone', async () => (await refusal(slow.key)) === undefined)
    const single = await newKey({ limits: { concurrencyMax: 1 } })
    const held = await holdSlot(openAi(server, single.key))
    const second = chat(single.key)
    const [entry] = await ownQueue(single.key, 1)
    assert.equal(entry?.reason, 'key_concurrency_limit')
    held.release()
    await second
  })
})

async function ownQueue(key: string, count: number): Promise<QueueView['own']> {
  return eventually(`${count} wait`, async () => {
    const { own } = (await (await getAs(key, '/v1/queue')).json()) as QueueView
    return own.length === count ? own : undefined
  })
}

describe('a tenant', () => {
  it('sees and uses only the models it is given', async () => {
    const { key, tenantId } = await newKey({}, { models: ['some other model'] })
    const client = openAi(server, key)
    assert.deepEqual(await collect(await client.models.list()), [])
    assert.equal((await thrownBy(chat(key))).constructor.name, 'NotFoundError')
    assert.equal((await thrownBy(client.models.retrieve('toy'))).constructor.name, 'NotFoundError')
    await server.api('PATCH', `/api/tenants/${tenantId}`, { models: ['toy'] })
    await eventually('it may', async () => (await refusal(key)) === undefined)
    assert.equal((await client.models.retrieve('toy')).id, 'toy')
  })

  it('runs no more at once than it may, and is told so in the queue', async () => {
    const { key } = await newKey({}, { limits: { concurrencyMax: 2 } })
    const client = openAi(server, key)
    const held = await Promise.all([holdSlot(client), holdSlot(client)])
    const rest = [1, 2, 3].map(() => chat(key))
    const own = await ownQueue(key, 3)
    assert.deepEqual(new Set(own.map(({ reason }) => reason)), new Set(['concurrency_limit']))
    assert.match(own[0]?.why ?? '', /runs 2 requests, which is its limit/)
    for (const one of held) one.release()
    await Promise.all(rest)
  })

  it('gets a lower class where it may not use the one it asks for', async () => {
    const { key } = await newKey({}, { classes: ['standard', 'batch'], defaultClass: 'standard' })
    const tierFor = async (service_tier: string) => (await chat(key, { service_tier })).service_tier
    assert.deepEqual(
      [await tierFor('priority'), await tierFor('flex'), await tierFor('auto')],
      ['default', 'batch', 'default'],
    )
    const only = await newKey({}, { classes: ['priority'], defaultClass: 'priority' })
    const error = await thrownBy(chat(only.key, { service_tier: 'flex' }))
    assert.equal(error.constructor.name, 'PermissionDeniedError')
  })

  it('that is archived is gone for its keys at once', async () => {
    const { key, tenantId } = await newKey()
    assert.equal(await refusal(key), undefined)
    await server.api('DELETE', `/api/tenants/${tenantId}`)
    assert.equal(await isRefused(key), 401)
  })
})

describe('an end user', () => {
  it('is believed only from keys that may name one', async () => {
    const plain = await newKey()
    const trusted = await newKey({ scopes: ['inference', 'end_users'] })
    assert.equal((await ledgerRow(chat(plain.key, { user: 'anna' }))).endUser, null)
    assert.equal((await ledgerRow(chat(plain.key, {}, { 'x-person': 'anna' }))).endUser, null)
    assert.equal((await ledgerRow(chat(trusted.key, { user: 'anna' }))).endUser, 'anna')
    const byId = { safety_identifier: 'bea' }
    assert.equal((await ledgerRow(chat(trusted.key, byId))).endUser, 'bea')
    const byMetadata = { metadata: { user_id: 'carl' } }
    assert.equal((await ledgerRow(chat(trusted.key, byMetadata))).endUser, 'carl')
    assert.equal((await ledgerRow(chat(trusted.key, {}, { 'x-person': 'dora' }))).endUser, 'dora')
  })

  it('may have any name that fits, without harm to the books', async () => {
    const { key } = await newKey({ scopes: ['inference', 'end_users'] })
    for (const user of ['{"a",null}', "o'hara\\", '🌾', 'half \ud83d', '\n\t']) {
      const row = await ledgerRow(chat(key, { user }))
      assert.equal(row.group, 'finished')
      assert.ok(row.endUser, JSON.stringify(user))
    }
    const tooLong = await thrownBy(chat(key, { user: 'x'.repeat(300) }))
    assert.match(tooLong.message, /at most 256/)
    const withNul = await thrownBy(chat(key, { user: 'a\u0000b' }))
    assert.match(withNul.message, /must not have the character NUL/)
  })
})

describe('the prefix cache', () => {
  const messages = [{ role: 'user', content: 'A secret that only one tenant wrote. '.repeat(20) }]
  const cached = async (key: string, changes: Record<string, unknown> = {}) =>
    (await chat(key, { messages, ...changes })).usage?.prompt_tokens_details?.cached_tokens ?? 0

  it('serves a tenant its own prompt again, and nobody else', async () => {
    const [ours, theirs] = [await newKey(), await newKey()]
    assert.equal(await cached(ours.key), 0)
    assert.ok((await cached(ours.key)) > 0)
    assert.equal(await cached(theirs.key), 0)
    const colleague = await server.api<KeyCreated>('POST', '/api/keys', {
      tenantId: ours.tenantId,
    })
    assert.ok((await cached(colleague.key)) > 0, 'another key of the tenant shares it')
  })

  it('is not opened by a salt that a client sends, nor the order by its priority', async () => {
    const [ours, theirs] = [await newKey(), await newKey()]
    const salt = { cache_salt: 'the same for both' }
    await cached(ours.key, salt)
    assert.ok((await cached(ours.key, { cache_salt: 'another' })) > 0, 'its own salt is ignored')
    assert.equal(await cached(theirs.key, salt), 0)
    // An engine would refuse these, so they have not reached it.
    const owned = { cache_salt: 7, priority: 'first', kv_transfer_params: { a: 1 }, request_id: 1 }
    assert.equal((await chat(theirs.key, owned)).choices.length, 1)
  })
})

describe('a guard', () => {
  it('is on the record of the requests that met it, and of nobody else', async () => {
    const guarded = await newKey()
    const other = await newKey()
    const guards = [
      {
        name: 'no-pii',
        kind: 'pii',
        when: 'before',
        action: 'redact',
        tenants: [guarded.tenantId],
      },
      { name: 'form', kind: 'schema', schema: { type: 'object' }, tenants: [guarded.tenantId] },
    ]
    await server.api('PUT', '/api/routes', { routes: [], guards })
    const { model } = ask({})
    const query = `model=${model}&tenant=${guarded.tenantId}`
    const explained = await server.api<RouteExplanationView>('GET', `/api/routes/explain?${query}`)
    assert.deepEqual(
      explained.guards.map(({ name, when }) => [name, when]),
      [
        ['no-pii', 'before'],
        ['form', 'after'],
      ],
    )
    const messages = [{ role: 'user', content: 'I am bob@example.org' }]
    const row = await ledgerRow(chat(guarded.key, { messages }) as never)
    assert.deepEqual(row.guards, [
      { name: 'no-pii', outcome: 'redacted' },
      { name: 'form', outcome: 'refused' },
    ])
    assert.ok(row.outputTokens > 0, 'what was made is booked')
    assert.equal((await ledgerRow(chat(other.key, { messages }) as never)).guards, null)
    await server.api('PUT', '/api/routes', { routes: [], guards: [] })
  })
})
