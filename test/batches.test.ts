/** Batches on the real program with the official SDK: files in, files out, and the ledger. */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import OpenAI, { toFile } from 'openai'
import { eventually } from '../src/base/test-eventually.ts'
import type { BatchView, BudgetView, KeyCreated, Page, UsageRow } from '../src/http/index.ts'
import { removeHome, startServer, type TestServer } from './server.ts'

type Endpoint = OpenAI.BatchCreateParams['endpoint']

interface Row {
  custom_id: string
  response: {
    status_code: number
    body: OpenAI.ChatCompletion & {
      type?: string
      data?: unknown[]
      error?: { message: string }
      usage?: { output_tokens?: number }
    }
  } | null
  error: { code: string } | null
}

const chat = { model: 'toy', messages: [{ role: 'user', content: 'Tell me about mills.' }] }
const body = (tokens: number) => ({ ...chat, max_tokens: tokens, ignore_eos: true })

describe('batches on the real program', () => {
  let server: TestServer
  let client: OpenAI

  before(async () => {
    server = await startServer()
    const { key } = await server.tenant('Millers')
    client = clientWith(key)
  })
  after(async () => {
    await server.stop()
    removeHome(server.home)
  })

  const clientWith = (apiKey: string) =>
    new OpenAI({ baseURL: `${server.url}/v1`, apiKey, maxRetries: 0 })

  async function submit(bodies: object[], endpoint: Endpoint = '/v1/chat/completions') {
    const lines = bodies.map((one, i) =>
      JSON.stringify({ custom_id: `line-${i}`, method: 'POST', url: endpoint, body: one }),
    )
    const content = await toFile(Buffer.from(lines.join('\n')), 'lines.jsonl')
    const file = await client.files.create({ file: content, purpose: 'batch' })
    const window = { endpoint, completion_window: '24h' } as const
    return client.batches.create({ ...window, input_file_id: file.id })
  }

  async function ended(id: string): Promise<OpenAI.Batch> {
    let batch = await client.batches.retrieve(id)
    await eventually(
      `${id} has ended`,
      async () => {
        batch = await client.batches.retrieve(id)
        return !['validating', 'in_progress', 'finalizing', 'cancelling'].includes(batch.status)
      },
      60_000,
    )
    return batch
  }

  async function rowsOf(fileId: string | null | undefined): Promise<Row[]> {
    if (!fileId) return []
    const text = await (await client.files.content(fileId)).text()
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Row)
  }

  it('answers every line and charges what the files say', async () => {
    const { id } = await submit(Array.from({ length: 40 }, (_, i) => body(4 + i)))
    const batch = await ended(id)
    assert.equal(batch.status, 'completed')
    const rows = await rowsOf(batch.output_file_id)
    assert.equal(new Set(rows.map((row) => row.custom_id)).size, 40)
    for (const { custom_id: name, response } of rows) {
      assert.equal(response?.body.object, 'chat.completion')
      assert.equal(response.body.usage?.completion_tokens, 4 + Number(name.slice(5)))
      assert.equal(response.body.choices[0]?.finish_reason, 'length')
    }
    const output = rows.reduce((sum, row) => sum + completionTokens(row), 0)
    assert.equal(batch.usage?.output_tokens, output)

    const view = await server.api<BatchView>('GET', `/api/batches/${id}`)
    assert.equal(view.tokens.output, output)
    assert.deepEqual(view.lines, { total: 40, completed: 40, failed: 0, queued: 0, running: 0 })
    assert.equal(view.forecast.basis, 'It has ended.')
    await eventually('the ledger has all of it', async () => {
      const path = `/api/usage?groupBy=class&tenant=${view.tenantId}`
      const { rows: usage } = await server.api<Page<UsageRow>>('GET', path)
      const [charged] = usage.filter((row) => row.serviceClass === 'batch')
      return charged?.outputTokens === output
    })
  })

  it('takes completions and embeddings as well, and reports what an engine refuses', async () => {
    const prompts = [
      { model: 'toy', prompt: 'The mill', max_tokens: 5 },
      { model: 'toy', prompt: 'x'.repeat(60_000), max_tokens: 5 },
    ]
    const completions = await submit(prompts, '/v1/completions')
    const texts = await submit([{ model: 'toy', input: ['a', 'b'] }], '/v1/embeddings')
    const first = await ended(completions.id)
    assert.deepEqual({ ...first.request_counts }, { total: 2, completed: 1, failed: 1 })
    const [refused] = await rowsOf(first.error_file_id)
    assert.equal(refused?.custom_id, 'line-1')
    assert.equal(refused?.response?.status_code, 400)
    assert.ok(refused?.response?.body.error?.message)
    const second = await ended(texts.id)
    const [embedded] = await rowsOf(second.output_file_id)
    assert.equal(embedded?.response?.body.data?.length, 2)
  })

  it('takes lines of the other doors, and answers them in their own words', async () => {
    const asked = { model: 'toy', input: 'Tell me about mills.', max_output_tokens: 5 }
    const long = { ...asked, input: 'x'.repeat(60_000) }
    const responses = await submit([asked, long], '/v1/responses')
    // The SDK's types do not know that door in a batch.
    const messages = await submit([{ ...chat, max_tokens: 5 }], '/v1/messages' as Endpoint)
    const first = await ended(responses.id)
    const [response] = await rowsOf(first.output_file_id)
    assert.deepEqual({ ...first.request_counts }, { total: 2, completed: 1, failed: 1 })
    assert.equal(response?.response?.body.object, 'response')
    const second = await ended(messages.id)
    const [message] = await rowsOf(second.output_file_id)
    assert.equal(message?.response?.body.type, 'message')
    for (const [batch, row] of [
      [first, response],
      [second, message],
    ] as const) {
      assert.ok(batch.usage?.output_tokens)
      assert.equal(row?.response?.body.usage?.output_tokens, batch.usage.output_tokens)
    }
  })

  it('names bad lines and runs nothing', async () => {
    const { id } = await submit([body(4), { ...body(4), model: 'none' }, { model: 'toy' }])
    const batch = await ended(id)
    assert.equal(batch.status, 'failed')
    assert.deepEqual(
      batch.errors?.data?.map(({ line, code, param }) => ({ line, code, param })),
      [
        { line: 2, code: 'model_not_found', param: 'body.model' },
        { line: 3, code: 'invalid_value', param: 'body.messages' },
      ],
    )
    assert.equal(batch.output_file_id, null)
  })

  it('lets people pass while it runs, and can be cancelled with what it has', async () => {
    const { id } = await submit(Array.from({ length: 400 }, () => body(300)))
    await eventually('some lines are done', async () => {
      const { request_counts: counts } = await client.batches.retrieve(id)
      return (counts?.completed ?? 0) >= 3
    })
    const answer = await server.v1('/chat/completions', body(8))
    assert.equal(answer.status, 200)
    const queue = (await (
      await fetch(`${server.url}/v1/queue`, {
        headers: { authorization: `Bearer ${client.apiKey}` },
      })
    ).json()) as { own: { serviceClass: string }[] }
    assert.ok(queue.own.every(({ serviceClass }) => serviceClass === 'batch'))
    assert.ok(queue.own.length <= 16, `${queue.own.length} wait`)
    await client.batches.cancel(id)
    const batch = await ended(id)
    assert.equal(batch.status, 'cancelled')
    const done = await rowsOf(batch.output_file_id)
    const rest = await rowsOf(batch.error_file_id)
    assert.ok(done.length >= 3 && rest.length > 0)
    assert.equal(new Set([...done, ...rest].map((row) => row.custom_id)).size, 400)
    assert.ok(rest.every((row) => row.error?.code === 'batch_cancelled'))
  })

  it('ends with a reason when its key is revoked', async () => {
    const made = await submit(Array.from({ length: 200 }, () => body(300)))
    const { tenantId, keyId } = await server.api<BatchView>('GET', `/api/batches/${made.id}`)
    const path = `/api/batches/${made.id}`
    const second = await server.api<KeyCreated>('POST', '/api/keys', { tenantId })
    await eventually('it runs', async () => {
      const { lines } = await server.api<BatchView>('GET', path)
      return lines.completed > 0
    })
    await server.api('DELETE', `/api/keys/${keyId}`)
    client = clientWith(second.key)
    const batch = await ended(made.id)
    assert.equal(batch.status, 'failed')
    assert.equal(batch.errors?.data?.[0]?.code, 'key_revoked')
    assert.ok((await rowsOf(batch.output_file_id)).length > 0)
    const { reason } = await server.api<BatchView>('GET', path)
    assert.match(reason ?? '', /key/)
  })

  it('waits for a budget, short lines before long ones, and goes on once it is raised', async () => {
    const { id: tenantId, key } = await server.tenant('Thrift')
    client = clientWith(key)
    const { id: budgetId } = await server.api<BudgetView>('POST', '/api/budgets', {
      ...{ name: 'trial', tenantId, unit: 'tokens', period: 'total', limit: '1' },
      ...{ isHard: true, clamps: false },
    })
    const path = `/api/budgets/${budgetId}`
    const refused = await server.v1('/chat/completions', body(150), { key })
    const [, needed = ''] = /may cost (\d+) tokens/.exec(await refused.text()) ?? []
    const promptMax = Number(needed) - 150
    await server.api('PATCH', path, { limit: String(promptMax + 700) })
    assert.equal((await server.v1('/chat/completions', body(150), { key })).status, 200)
    // Of what is left now, one that is asked for 600 tokens has not enough.
    const { id } = await submit([...Array.from({ length: 20 }, () => body(600)), body(4), body(4)])
    const completed = async () => (await client.batches.retrieve(id)).request_counts?.completed ?? 0
    await eventually('the short lines are done', async () => (await completed()) === 2)
    const reason = async () => (await server.api<BatchView>('GET', `/api/batches/${id}`)).reason
    await eventually('what the long lines wait for is told', async () =>
      /^The budget trial has/.test((await reason()) ?? ''),
    )
    await server.api('PATCH', path, { limit: '1000000' })
    await eventually('it goes on', async () => (await completed()) > 2)
    const batch = await ended(id)
    assert.deepEqual([batch.status, batch.request_counts?.completed], ['completed', 22])
  })
})

const completionTokens = ({ response }: Row) => response?.body.usage?.completion_tokens ?? 0
