import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { cli } from './test-cli.ts'

type Routes = Record<string, (body: string) => { body: string; type?: string; status?: number }>
const servers: Server[] = []
after(() => {
  for (const server of servers) server.close()
})

/** A server that answers what the table says; the environment in which commands find it. */
async function answering(routes: Routes): Promise<Record<string, string>> {
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const part of request) text += String(part)
    const path = request.url?.replace(/\?.*/, '')
    const answer = routes[`${request.method} ${path}`]?.(text)
    response.writeHead(answer?.status ?? (answer ? 200 : 404), {
      'content-type': answer?.type ?? 'application/json',
    })
    response.end(answer?.body ?? '{}')
  })
  servers.push(server.listen(0, '127.0.0.1'))
  await new Promise((resolve) => server.on('listening', resolve))
  const { port } = server.address() as AddressInfo
  return { GRISTMILL_URL: `http://127.0.0.1:${port}`, GRISTMILL_HOME: '/nonexistent' }
}

const page = (...rows: unknown[]) => ({ body: JSON.stringify({ rows, next: null }) })
const tenants = () => page({ id: 'ten_1', name: 'Support' })
const event = (data: unknown) => `data: ${JSON.stringify(data)}\n\n`
const words = (content: string) => event({ choices: [{ delta: { content } }] })
const end = event({ choices: [{ delta: {}, finish_reason: 'stop' }] })

describe('chat', () => {
  const routes: Routes = {
    'GET /api/tenants': tenants,
    'GET /api/models': () => page({ name: 'small' }),
    'POST /api/playground/chat': (body) => ({
      type: 'text/event-stream',
      body: `${words('Grain ')}${words(`for ${JSON.parse(body).model}`)}${end}${event({
        choices: [],
        usage: { completion_tokens: 4 },
      })}data: [DONE]\n\n`,
    }),
  }

  it('writes the answer to standard output and its pace to standard error', async () => {
    const { code, out, err } = await cli(['chat', 'What', 'is', 'it?'], await answering(routes))
    assert.equal(code, 0, err)
    assert.equal(out, 'Grain for small\n')
    assert.match(err, /first token after .*, 4 tokens/)
  })

  it('fails with the message of an error that comes within the stream', async () => {
    const broken = {
      ...routes,
      'POST /api/playground/chat': () => ({
        type: 'text/event-stream',
        body:
          words('Gr') + event({ error: { message: 'The engine failed.', code: 'engine_failed' } }),
      }),
    }
    const { code, err } = await cli(['chat', 'Hello'], await answering(broken))
    assert.equal(code, 1)
    assert.match(err, /gristmill: The engine failed\./)
  })

  it('does not take an answer that was cut off for a whole one', async () => {
    const cut = {
      ...routes,
      'POST /api/playground/chat': () => ({ type: 'text/event-stream', body: words('Gr') }),
    }
    const { code, out, err } = await cli(['chat', 'Hello'], await answering(cut))
    assert.deepEqual([code, out], [1, 'Gr'])
    assert.match(err, /The connection ended before the answer did/)
  })

  it('refuses a class that does not exist as not understood', async () => {
    const { code, err } = await cli(['chat', '--class', 'urgent', 'Hello'], {})
    assert.equal(code, 2)
    assert.match(err, /Allowed choices are priority, standard, flex, batch/)
  })

  it('asks for a prompt where nobody can be asked', async () => {
    const { code, err } = await cli(['chat'], await answering(routes))
    assert.equal(code, 2)
    assert.match(err, /the prompt is missing/)
  })
})

describe('usage', () => {
  it('copies CSV as it comes', async () => {
    const csv = 'tenant,requests\nten_1,3\n'
    const environment = await answering({
      'GET /api/usage': () => ({ body: csv, type: 'text/csv' }),
    })
    const { out } = await cli(['usage', '--csv'], environment)
    assert.equal(out, csv)
  })

  it('shows names instead of ids, and numbers with their groups', async () => {
    const row = {
      tenantId: 'ten_1',
      model: 'small',
      requests: 12,
      cut: 1,
      recovered: 0,
      inputTokens: 12_345,
      cachedTokens: 0,
      outputTokens: 10,
      engineMs: 61_000,
      queueMs: 5,
      rented: 0,
      spendNanos: 0,
      chargeNanos: '0',
      unpriced: 0,
      hits: 0,
    }
    const environment = await answering({
      'GET /api/tenants': tenants,
      'GET /api/usage': () => page(row),
    })
    const { out } = await cli(['usage'], environment)
    assert.match(out, /Support +small +12 +1 +12,345 +0 +10 +1 min 1 s +5 ms/)
  })
})

it('a key that tokens stand for is not listed as one that was moved in', async () => {
  const key = (name: string, hint: string, subject: string | null) => ({
    ...{ id: `key_${name}`, tenantId: 'ten_1', name, hint, subject, scopes: ['inference'] },
    ...{ tags: [], state: 'active', expiresAt: null, lastUsedAt: null, overlapEndsAt: null },
  })
  const rows = [
    key('job', '', 'https://login.example.com nightly'),
    key('moved', '', null),
    key('bot', 'gm-3a', null),
  ]
  const environment = await answering({
    'GET /api/tenants': tenants,
    'GET /api/keys': () => page(...rows),
  })
  const { out } = await cli(['key', 'list'], environment)
  assert.match(out, /key_job +tokens .*\n.*key_moved +imported .*\n.*key_bot +gm-3a… /)
})

describe('demo', () => {
  const row = {
    tenant: 'Demo light',
    half: 'fcfs',
    requests: 20,
    unfinished: 10,
    ttftP50Ms: 12_000,
    ttftP99Ms: 31_000,
    ttftP99AtLeast: true,
    outputTokens: 80,
    share: 0.02,
  }

  it('follows the demo and closes with a table that hides no unfinished request', async () => {
    let looks = 0
    const view = () => {
      const state = looks++ < 1 ? 'running' : 'done'
      return { body: JSON.stringify({ state, half: 'fcfs', secondsLeft: 3, rows: [row] }) }
    }
    const environment = await answering({ 'POST /api/demo': view, 'GET /api/demo': view })
    const { code, out, err } = await cli(['demo'], environment)
    assert.equal(code, 0, err)
    assert.match(err, /first come, first served, 3 s left/)
    assert.match(out, /Demo light +20 +10 +12 s +≥ 31 s +80 +2 %/)
  })

  it('fails where somebody else cancelled it', async () => {
    const view = () => ({
      body: JSON.stringify({ state: 'cancelled', half: 'fair', secondsLeft: 3, rows: [] }),
    })
    const { code, err } = await cli(['demo'], await answering({ 'POST /api/demo': view }))
    assert.equal(code, 1)
    assert.match(err, /cancelled before its end/)
  })
})

it('ends without a word where nobody reads on', async () => {
  const program = fileURLToPath(new URL('program.ts', import.meta.url))
  const child = spawn(process.execPath, [program, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  let said = ''
  child.stderr.on('data', (part: Buffer) => {
    said += part
  })
  const [, signal] = await once(child, 'close')
  assert.equal(signal, 'SIGTERM')
  assert.equal(said, '')
})
