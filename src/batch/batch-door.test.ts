/** `/v1/batches` as the official SDK sees it. */
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import OpenAI from 'openai'
import { openAiErrorBody, systemClock, systemRandom, toGristmillError } from '../base/index.ts'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import type { Principal } from '../tenancy/index.ts'
import { BatchDoor } from './batch-door.ts'
import { chatLine, creator, goodAnswer, type TestBatches, testBatches } from './test-batches.ts'

const other: Principal = { ...creator, keyId: 'key_2', projectId: 'prj_2' }
const principals = new Map([
  ['sk-one', creator],
  ['sk-other', other],
])

describe('/v1/batches', () => {
  let database: TestDatabase
  let batches: TestBatches
  let server: Server
  let client: OpenAI
  let url = ''
  const as = (apiKey: string) => new OpenAI({ apiKey, baseURL: `${url}/v1`, maxRetries: 0 })
  const window = { endpoint: '/v1/chat/completions', completion_window: '24h' } as const

  before(async () => {
    database = await openTestDatabase()
  })
  after(() => database.close())
  beforeEach(async () => {
    await database.reset()
    batches = testBatches(database, goodAnswer, { limits: { batchesMax: 5 } })
    const { files, runner, limits } = batches
    const base = { database, files, limits, clock: systemClock, random: systemRandom }
    const door = new BatchDoor({ ...base, wake: () => runner.wake() })
    server = createServer((request, response) => {
      const secret = (request.headers.authorization ?? '').slice('Bearer '.length)
      const principal = principals.get(secret) as Principal
      door.handle(request, response, principal, 'req_1').catch((thrown: unknown) => {
        const error = toGristmillError(thrown)
        response.writeHead(error.status, { 'content-type': 'application/json' })
        response.end(JSON.stringify(openAiErrorBody(error, 'req_1')))
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    client = as('sk-one')
  })
  afterEach(async () => {
    await batches.close()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })

  const fileOf = (count: number) =>
    batches.file(Array.from({ length: count }, (_, i) => chatLine(`line-${i}`)))

  it('makes a batch, tells its progress and names its files at the end', async () => {
    const input_file_id = await fileOf(3)
    const made = await client.batches.create({
      ...window,
      input_file_id,
      metadata: { team: 'millers' },
      output_expires_after: { anchor: 'created_at', seconds: 7200 },
    })
    assert.equal(made.object, 'batch')
    assert.equal(made.status, 'validating')
    assert.equal(made.input_file_id, input_file_id)
    assert.equal(made.completion_window, '24h')
    assert.equal(made.endpoint, '/v1/chat/completions')
    assert.deepEqual(made.metadata, { team: 'millers' })
    assert.deepEqual(made.request_counts, { total: 0, completed: 0, failed: 0 })
    assert.equal((made.expires_at ?? 0) - made.created_at, 86_400)
    assert.equal(made.output_file_id, null)

    batches.runner.start()
    await batches.ended(made.id)
    const done = await client.batches.retrieve(made.id)
    assert.equal(done.status, 'completed')
    assert.equal(done.model, 'mill')
    assert.deepEqual(done.request_counts, { total: 3, completed: 3, failed: 0 })
    assert.equal(done.usage?.input_tokens, 15)
    assert.equal(done.usage?.input_tokens_details.cached_tokens, 6)
    assert.equal(done.usage?.output_tokens, 9)
    assert.equal(done.usage?.total_tokens, 24)
    assert.equal(done.errors, null)
    assert.equal(done.error_file_id, null)
    const times = [done.created_at, done.in_progress_at, done.finalizing_at, done.completed_at]
    assert.deepEqual(
      times,
      times.toSorted((a, b) => Number(a) - Number(b)),
    )
    const file = await batches.files.get(creator, done.output_file_id ?? '')
    assert.equal(file.purpose, 'batch_output')
    assert.equal(file.expiresAt.getTime() - file.createdAt.getTime(), 7_200_000)
  })

  it('reports bad lines by number, code and field', async () => {
    const input_file_id = await batches.file([chatLine('a'), chatLine('a'), '{'])
    const { id } = await client.batches.create({ ...window, input_file_id })
    batches.runner.start()
    await batches.ended(id)
    const failed = await client.batches.retrieve(id)
    assert.equal(failed.status, 'failed')
    assert.ok(failed.failed_at)
    assert.equal(failed.errors?.object, 'list')
    const [second, third] = failed.errors?.data ?? []
    assert.deepEqual(
      { ...second },
      {
        code: 'duplicate_custom_id',
        line: 2,
        message: 'custom_id: line 1 has the same.',
        param: 'custom_id',
      },
    )
    assert.equal(third?.line, 3)
    assert.equal(third?.code, 'invalid_json_line')
  })

  it('lists newest first, page by page', async () => {
    const input_file_id = await fileOf(1)
    const ids: string[] = []
    for (let i = 0; i < 5; i++) {
      ids.push((await client.batches.create({ ...window, input_file_id })).id)
      await systemClock.sleep(2)
    }
    const listed: string[] = []
    for await (const batch of client.batches.list({ limit: 2 })) listed.push(batch.id)
    assert.deepEqual(listed, ids.reverse())
    await assert.rejects(client.batches.list({ after: `${ids[0]}x` }), (error: unknown) => {
      return error instanceof OpenAI.BadRequestError && error.param === 'after'
    })
    const tooMany = client.batches.create({ ...window, input_file_id })
    await assert.rejects(tooMany, { status: 429, code: 'too_many_batches' })
  })

  it('cancels a batch once, and not one that has ended', async () => {
    const input_file_id = await fileOf(2)
    const { id } = await client.batches.create({ ...window, input_file_id })
    const cancelling = await client.batches.cancel(id)
    assert.equal(cancelling.status, 'cancelling')
    assert.ok(cancelling.cancelling_at)
    batches.runner.start()
    await batches.ended(id)
    const cancelled = await client.batches.cancel(id)
    assert.equal(cancelled.status, 'cancelled')
    assert.ok(cancelled.cancelled_at)
    const second = await client.batches.create({ ...window, input_file_id })
    await batches.ended(second.id)
    await assert.rejects(client.batches.cancel(second.id), { status: 409, code: 'conflict' })
  })

  it("shows a batch to its own project's keys only", async () => {
    const input_file_id = await fileOf(1)
    const { id } = await client.batches.create({ ...window, input_file_id })
    const stranger = as('sk-other')
    await assert.rejects(stranger.batches.retrieve(id), { status: 404, code: 'not_found' })
    await assert.rejects(stranger.batches.cancel(id), { status: 404 })
    assert.deepEqual((await stranger.batches.list()).data, [])
    await assert.rejects(stranger.batches.create({ ...window, input_file_id }), { status: 404 })
  })

  it('refuses what cannot be a batch, naming the field', async () => {
    const input_file_id = await fileOf(1)
    const good = { ...window, input_file_id }
    const bad: [object, string][] = [
      [{ ...good, endpoint: '/v1/images' }, 'endpoint'],
      [{ ...good, completion_window: 'soon' }, 'completion_window'],
      [{ ...good, completion_window: '999d' }, 'completion_window'],
      [{ ...good, input_file_id: 7 }, 'input_file_id'],
      [{ ...good, input_file_id: 'file\0' }, 'input_file_id'],
      [{ ...good, metadata: { a: 'x'.repeat(513) } }, 'metadata.a'],
      [{ ...good, metadata: { a: 'x\0' } }, 'metadata.a'],
      [{ ...good, metadata: { a: 'x\ud83c' } }, 'metadata.a'],
      [{ ...good, output_expires_after: { anchor: 'created_at', seconds: 5 } }, AFTER_SECONDS],
    ]
    for (const [body, param] of bad) {
      const refused = client.batches.create(body as OpenAI.BatchCreateParams)
      await assert.rejects(refused, (error: unknown) => {
        assert.ok(error instanceof OpenAI.BadRequestError, param)
        assert.equal(error.param, param)
        return true
      })
    }
    assert.deepEqual((await client.batches.list()).data, [])
  })

  it('refuses a key whose tenant may not use background classes', async () => {
    const input_file_id = await fileOf(1)
    const policy = { ...creator.policy, classes: ['standard'] as const }
    principals.set('sk-one', { ...creator, policy })
    await assert.rejects(client.batches.create({ ...window, input_file_id }), { status: 403 })
    principals.set('sk-one', { ...creator, policy: { ...policy, classes: ['standard', 'flex'] } })
    const { id } = await client.batches.create({ ...window, input_file_id })
    assert.ok(id)
    principals.set('sk-one', creator)
  })

  it('knows no other paths and methods', async () => {
    const ask = (method: string, path: string) =>
      fetch(`${url}/v1/batches${path}`, { method, headers: { authorization: 'Bearer sk-one' } })
    assert.equal((await ask('DELETE', '')).status, 405)
    assert.equal((await ask('POST', '/batch_1')).status, 405)
    assert.equal((await ask('POST', '/batch_1/pause')).status, 404)
    assert.equal((await ask('GET', '/batch_none')).status, 404)
  })
})

const AFTER_SECONDS = 'output_expires_after.seconds'
