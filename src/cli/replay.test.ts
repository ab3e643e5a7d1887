import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { promptFor } from './replay-text.ts'
import { cli } from './test-cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'gristmill-replay-'))
const asked: { tenant: string | null; body: Record<string, unknown> }[] = []
const requests: Record<string, unknown>[] = []

const event = (data: unknown) => `data: ${JSON.stringify(data)}\n\n`

/** Answers tenants, models, the ledger and chats; chats of `ten_2` fail. */
const server = createServer(async (request, response) => {
  let text = ''
  for await (const part of request) text += String(part)
  const url = new URL(request.url ?? '', 'http://localhost')
  const json = (value: unknown) => response.end(JSON.stringify(value))
  const page = (rows: unknown[]) => json({ rows, next: null })
  if (url.pathname === '/api/tenants') {
    return page([
      { id: 'ten_1', name: 'Search' },
      { id: 'ten_2', name: 'Reports' },
    ])
  }
  if (url.pathname === '/api/models') return page([{ name: 'small' }])
  if (url.pathname === '/api/requests') return page(requests)
  const tenant = url.searchParams.get('tenant')
  asked.push({ tenant, body: JSON.parse(text) })
  if (tenant === 'ten_2') {
    response.statusCode = 429
    return json({ error: { code: 'queue_full', message: 'The queue is full.' } })
  }
  response.setHeader('content-type', 'text/event-stream')
  response.write(event({ choices: [{ delta: { content: 'Flour' }, finish_reason: 'length' }] }))
  return response.end(`${event({ choices: [], usage: { completion_tokens: 7 } })}data: [DONE]\n\n`)
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
after(() => {
  server.close()
  rmSync(folder, { recursive: true })
})
const { port } = server.address() as AddressInfo
const environment = { GRISTMILL_URL: `http://127.0.0.1:${port}`, GRISTMILL_HOME: '/nonexistent' }

describe('gristmill replay', () => {
  const trace = join(folder, 'trace.csv')
  writeFileSync(
    trace,
    'time_s,tenant,class,input,output,prefix\n' +
      '0,Search,standard,30,7,\n0.1,Reports,batch,20,5,\n0.2,somebody,flex,20,7,\n9999,Search,flex,1,1,\n',
  )

  it('sends what the trace has and tells what came of it', async () => {
    const words = ['replay', '--trace', trace, '--speed', '10', '--seconds', '1', '--json']
    const { code, out, err } = await cli(words, environment)
    assert.equal(code, 0, err)
    assert.match(err, /The queue is full/)
    const rows = JSON.parse(out) as { tenant: string; done: number; failed: number }[]
    const of = (name: string) => rows.find(({ tenant }) => tenant === name)
    assert.equal(of('Search')?.done, 1)
    assert.equal(of('Reports')?.failed, 1)
    assert.equal(of('all')?.done, 2)
    assert.equal(asked.length, 3)
    const [first] = asked
    assert.equal(first?.tenant, 'ten_1')
    assert.equal(first.body.max_tokens, 7)
    assert.equal(first.body.service_tier, 'standard')
  })

  it('makes prompts that begin alike where those of the trace did', () => {
    const row = (id: string) => ({
      atMs: 0,
      tenant: 'a',
      serviceClass: 'standard' as const,
      inputTokens: 120,
      outputTokens: 1,
      prefix: [{ id, tokens: 60 }],
    })
    const begin = (text: string) => text.split(' ').slice(0, 60).join(' ')
    const one = promptFor(row('x'), 1)
    const other = promptFor(row('x'), 2)
    assert.equal(begin(one), begin(other))
    assert.notEqual(one, other)
    assert.notEqual(begin(one), begin(promptFor(row('y'), 1)))
    assert.ok(Math.abs(one.split(' ').length - 120) < 15)
  })
})

describe('gristmill trace export', () => {
  it('writes what the ledger has as a trace, oldest first and without open requests', async () => {
    const nowMs = Date.now()
    const ended = (agoMs: number, change: object) => ({
      arrivedAt: new Date(nowMs - agoMs).toISOString(),
      settledAt: new Date(nowMs).toISOString(),
      tenantId: 'ten_1',
      projectId: 'prj_1',
      serviceClass: 'standard',
      servedClass: null,
      inputTokens: 50,
      cachedTokens: 0,
      outputTokens: 4,
      hitInputTokens: null,
      ...change,
    })
    requests.push(
      ended(1000, { settledAt: null }),
      // Engines had no part in what the response cache answered.
      ended(1500, { hitInputTokens: 50 }),
      ended(2000, { cachedTokens: 30, servedClass: 'flex' }),
      ended(5000, {}),
      ended(7_200_000, {}),
    )
    const { code, out } = await cli(['trace', 'export', '--hours', '1'], environment)
    assert.equal(code, 0)
    assert.deepEqual(out.trim().split('\n'), [
      'time_s,tenant,class,input,output,prefix',
      '0.000,ten_1,standard,50,4,',
      '3.000,ten_1,flex,50,4,prj_1:30',
    ])
  })
})
