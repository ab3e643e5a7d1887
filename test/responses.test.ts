/** Responses that are kept, on the real program with the official SDK. */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import OpenAI from 'openai'
import { eventually } from '../src/base/test-eventually.ts'
import type { Page, UsageRow } from '../src/http/index.ts'
import { thrownBy } from './sdk-clients.ts'
import { removeHome, startServer, type TestServer } from './server.ts'

/** A field that the SDK has no type for. */
const storeOf = (response: OpenAI.Responses.Response) => (response as { store?: boolean }).store

describe('responses that are kept', () => {
  let server: TestServer
  let client: OpenAI
  let tenantId: string

  const clientWith = (apiKey: string) =>
    new OpenAI({ baseURL: `${server.url}/v1`, apiKey, maxRetries: 0 })
  /** Sets the policy of a tenant; resolves when the gateway goes by it. */
  const keepFor = async (id: string, key: OpenAI, responseDays: number) => {
    await server.api('PATCH', `/api/tenants/${id}`, { responseDays })
    await eventually('the gateway knows the policy', async () => {
      const asked = { model: 'toy', input: 'Hi', max_output_tokens: 1 }
      return storeOf(await key.responses.create(asked)) === responseDays > 0
    })
  }

  before(async () => {
    server = await startServer()
    const { id, key } = await server.tenant('Millers')
    tenantId = id
    client = clientWith(key)
    await keepFor(id, client, 30)
  })
  after(async () => {
    await server.stop()
    removeHome(server.home)
  })

  const ask = (input: string, changes: object = {}) =>
    client.responses.create({ model: 'toy', input, max_output_tokens: 4, ...changes })

  it('are gone on from, three turns, streamed and not', async () => {
    const first = await ask('A first question of some length.', { instructions: 'Be a miller.' })
    assert.deepEqual([storeOf(first), first.previous_response_id], [true, null])
    const stream = client.responses.stream({
      model: 'toy',
      input: [{ role: 'user', content: 'A second one.' }],
      max_output_tokens: 4,
      previous_response_id: first.id,
    })
    const second = await stream.finalResponse()
    // Told, and so there: nobody has to wait before going on.
    const third = await ask('And a third.', { previous_response_id: second.id })
    assert.equal(third.previous_response_id, second.id)
    const tokens = [first, second, third].map(({ usage }) => usage?.input_tokens ?? 0)
    assert.ok((tokens[2] ?? 0) > (tokens[1] ?? 0), 'what was said before is read again')

    const items = []
    for await (const item of client.responses.inputItems.list(third.id, { order: 'asc', limit: 2 }))
      items.push(item)
    const texts = items.map((item) => ('content' in item ? JSON.stringify(item.content) : ''))
    assert.equal(items.length, 5)
    assert.match(texts[0] ?? '', /A first question/)
    assert.match(texts[1] ?? '', /output_text/)
    assert.match(texts[4] ?? '', /And a third/)
    assert.doesNotMatch(texts.join(), /Be a miller/, 'instructions do not carry over')
    assert.equal(new Set(items.map(({ id }) => id)).size, 5)

    const found = await client.responses.retrieve(second.id)
    assert.equal(found.output_text, second.output_text)
    assert.deepEqual([found.status, found.usage], [second.status, second.usage])
    const reference = { type: 'item_reference', id: second.output[0]?.id ?? '' } as const
    const referred = await ask('', { input: [reference, { role: 'user', content: 'Go on.' }] })
    assert.ok((referred.usage?.input_tokens ?? 0) > 0)
  })

  it('can be deleted, and are nobody else’s', async () => {
    const kept = await ask('Keep this.')
    const other = await server.tenant('Bakers')
    const stranger = clientWith(other.key)
    await keepFor(other.id, stranger, 30)
    const last = { model: 'toy', input: 'Go on.', previous_response_id: kept.id }
    for (const asked of [
      () => stranger.responses.retrieve(kept.id),
      () => stranger.responses.delete(kept.id),
      () => stranger.responses.inputItems.list(kept.id),
    ]) {
      const refused = await thrownBy(asked())
      assert.ok(refused instanceof OpenAI.NotFoundError)
      assert.equal(refused.code, 'not_found')
    }
    const lost = await thrownBy(stranger.responses.create(last))
    assert.ok(lost instanceof OpenAI.BadRequestError)
    assert.deepEqual(
      [lost.code, lost.param],
      ['previous_response_not_found', 'previous_response_id'],
    )
    const nobodys = await thrownBy(ask('More.', { previous_response_id: 'resp_\0' }))
    assert.ok(nobodys instanceof OpenAI.BadRequestError)
    const item = [{ type: 'item_reference', id: 'msg_\0_0' }]
    assert.ok((await thrownBy(ask('', { input: item }))) instanceof OpenAI.BadRequestError)
    const next = await client.responses.create({ ...last, max_output_tokens: 2 })
    await client.responses.delete(kept.id)
    assert.ok((await thrownBy(client.responses.retrieve(kept.id))) instanceof OpenAI.NotFoundError)
    // What came after it cannot be gone on from: it would not be the same conversation.
    const broken = await thrownBy(ask('More.', { previous_response_id: next.id }))
    assert.ok(broken instanceof OpenAI.BadRequestError)
    assert.match(broken.message, new RegExp(kept.id))
  })

  it('are kept only where the client and the tenant want it', async () => {
    const own = await ask('Forget this.', { store: false })
    assert.equal(storeOf(own), false)
    assert.ok((await thrownBy(client.responses.retrieve(own.id))) instanceof OpenAI.NotFoundError)
    const kept = await ask('Keep this.')
    await keepFor(tenantId, client, 0)
    const quiet = await ask('Keep this?', { store: true })
    assert.equal(storeOf(quiet), false)
    const refused = await thrownBy(ask('Go on.', { previous_response_id: kept.id }))
    assert.ok(refused instanceof OpenAI.BadRequestError)
    assert.deepEqual(
      [refused.code, refused.param],
      ['unsupported_parameter', 'previous_response_id'],
    )
    assert.ok((await thrownBy(client.responses.retrieve(kept.id))) instanceof OpenAI.NotFoundError)
    await keepFor(tenantId, client, 30)
    const { rows } = await server.api<{ rows: { action: string; detail: object }[] }>(
      'GET',
      '/api/audit?limit=50',
    )
    assert.ok(rows.some(({ detail }) => 'responseDays' in detail && detail.responseDays === 0))
  })

  it('that are too long to go on from get the ordinary error', async () => {
    const long = await ask('word '.repeat(700))
    const last = { previous_response_id: long.id, max_output_tokens: 2 }
    const refused = await thrownBy(ask('word '.repeat(1500), last))
    assert.ok(refused instanceof OpenAI.BadRequestError)
    const streamed = { model: 'toy', input: 'word '.repeat(1500), stream: true, ...last } as const
    const same = await thrownBy(client.responses.create(streamed))
    assert.ok(same instanceof OpenAI.BadRequestError)
    assert.equal(same.code, refused.code)
    const auto = await thrownBy(ask('x', { ...last, truncation: 'auto' }))
    assert.ok(auto instanceof OpenAI.BadRequestError)
    assert.equal(auto.param, 'truncation')
  })

  const inBackground = (max_output_tokens: number, changes: object = {}) =>
    ask('Tell me a long story.', {
      background: true,
      max_output_tokens,
      ignore_eos: true,
      ...changes,
    })
  const ended = async (id: string) => {
    let response = await client.responses.retrieve(id)
    await eventually(`${id} has ended`, async () => {
      response = await client.responses.retrieve(id)
      return response.status !== 'queued' && response.status !== 'in_progress'
    })
    return response
  }
  const isRunning = (id: string) => async () =>
    (await client.responses.retrieve(id)).status === 'in_progress'

  it('run in the background, and are gone on from when they have ended', async () => {
    const queued = await inBackground(6, { service_tier: 'flex' })
    assert.deepEqual([queued.status, queued.background, queued.output], ['queued', true, []])
    const done = await ended(queued.id)
    assert.deepEqual([done.id, done.status, done.background], [queued.id, 'incomplete', true])
    assert.deepEqual([done.usage?.output_tokens, done.service_tier], [6, 'flex'])
    assert.ok(done.output_text.length > 0)
    const next = await ask('Go on.', { previous_response_id: done.id })
    assert.ok((next.usage?.input_tokens ?? 0) > (done.usage?.input_tokens ?? 0))
    const refused = await thrownBy(client.responses.cancel(next.id))
    assert.ok(refused instanceof OpenAI.BadRequestError, 'it was never in the background')
    for (const changes of [{ store: false }, { stream: true }]) {
      const wrong = await thrownBy(inBackground(6, changes))
      assert.ok(wrong instanceof OpenAI.BadRequestError)
    }
    const failing = await inBackground(6, { input: 'word '.repeat(3000) })
    const failed = await ended(failing.id)
    assert.equal(failed.status, 'failed')
    assert.match(String(failed.error?.message), /context/)
  })

  it('are cancelled for nothing, and outlive a kill', async () => {
    const other = await server.tenant('Night')
    client = clientWith(other.key)
    await keepFor(other.id, client, 1)
    const path = `/api/usage?groupBy=class&tenant=${other.id}`
    const spent = async () =>
      (await server.api<Page<UsageRow>>('GET', path)).rows.reduce(
        (sum, { outputTokens }) => sum + outputTokens,
        0,
      )
    await eventually('the ledger has those', async () => (await spent()) > 0)
    const before = await spent()
    const running = await inBackground(4000)
    await eventually('it runs', isRunning(running.id))
    const cancelled = await client.responses.cancel(running.id)
    assert.equal(cancelled.status, 'cancelled')
    assert.equal((await client.responses.cancel(running.id)).status, 'cancelled', 'once more')
    const goesOn = await thrownBy(ask('Go on.', { previous_response_id: running.id }))
    assert.ok(goesOn instanceof OpenAI.BadRequestError)
    await eventually('the ledger has it', async () => {
      const { rows } = await server.api<Page<{ end: string; outputTokens: number }>>(
        'GET',
        `/api/requests?tenant=${other.id}`,
      )
      return rows.some(({ end, outputTokens }) => end === 'client_gone' && outputTokens === 0)
    })
    assert.equal(await spent(), before)

    // Killed in the middle of one, with another one behind it.
    const first = await inBackground(4000)
    await eventually('it runs', isRunning(first.id))
    const second = await inBackground(5)
    server.process.kill('SIGKILL')
    await server.ended
    server = await startServer({ home: server.home })
    client = clientWith(other.key)
    const answers = [await ended(first.id), await ended(second.id)]
    assert.deepEqual(
      answers.map(({ usage }) => usage?.output_tokens),
      [4000, 5],
    )
    await eventually('the ledger has both', async () => (await spent()) >= before + 4005)
    assert.equal(await spent(), before + 4005, 'and each once')
  })
})
