/**
 * How a server ends: what becomes of running and waiting requests, and what the next start finds.
 */

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { eventually } from '../src/base/test-eventually.ts'
import {
  chatBody,
  preparedHome,
  processesOf,
  readStream,
  removeHome,
  startServer,
  type TestServer,
} from './server.ts'

interface Row {
  id: string
  group: string | null
  end: string | null
  outputTokens: number
}

const homes: string[] = []
after(() => {
  for (const home of homes) removeHome(home)
})

async function home(): Promise<string> {
  const made = await preparedHome()
  homes.push(made)
  return made
}

/** A stream that has begun; `end` is how it ends. */
async function running(server: TestServer, maxTokens: number) {
  const begun = Promise.withResolvers<void>()
  const response = await server.v1('/chat/completions', chatBody(maxTokens))
  assert.equal(response.status, 200)
  const end = readStream(response, () => begun.resolve())
  await Promise.race([begun.promise, end])
  return { id: response.headers.get('x-gristmill-request-id') ?? '', end }
}

async function rowsOf(server: TestServer): Promise<Map<string, Row>> {
  const { rows } = await server.api<{ rows: Row[] }>('GET', '/api/requests?limit=100')
  return new Map(rows.map((row) => [row.id, row]))
}

describe('SIGTERM', () => {
  it('lets running answers finish, ends with 0 and leaves no process', async () => {
    const server = await startServer({ home: await home() })
    const streams = await Promise.all([1, 2, 3].map(() => running(server, 1500)))
    const { code } = await server.stop('SIGTERM')
    assert.equal(code, 0)
    for (const { end } of streams) {
      const { finishReason, done, error } = await end
      assert.deepEqual(
        { finishReason, done, error },
        { finishReason: 'length', done: true, error: null },
      )
    }
    assert.deepEqual(processesOf(server.home), [])

    const next = await startServer({ home: server.home })
    assert.equal(next.line.apiKey, null, 'the key is shown once')
    const again = await next.v1('/chat/completions', chatBody(3), { key: server.apiKey })
    assert.equal((await readStream(again)).finishReason, 'length')
    const rows = await rowsOf(next)
    for (const { id } of streams) {
      const { group, outputTokens } = rows.get(id) ?? {}
      assert.deepEqual({ group, outputTokens }, { group: 'finished', outputTokens: 1500 })
    }
    assert.equal((await next.stop()).code, 0)
  })
})

describe('SIGINT while more runs than the time allows', () => {
  it('refuses what waits, ends streams with an error event and settles all of it', async () => {
    const env = { GRISTMILL_SHUTDOWN_MS_MAX: '300', GRISTMILL_ENGINE_CAP: '1' }
    const server = await startServer({ home: await home(), env })
    const long = await running(server, 4000)
    const waiting = server.v1('/chat/completions', chatBody(4000))
    await eventually('the second request waits', async () => {
      const { own } = await server.api<{ own: unknown[] }>('GET', '/api/queue')
      return own.length === 1
    })
    const { code } = await server.stop('SIGINT')
    assert.equal(code, 0)
    assert.deepEqual(processesOf(server.home), [])

    const refused = await waiting
    assert.equal(refused.status, 503)
    assert.ok(Number(refused.headers.get('retry-after')) >= 1)
    assert.match(await refused.text(), /"code":"shutting_down"/)
    const { error, broken } = await long.end
    assert.equal(error?.code, 'shutting_down')
    assert.equal(broken, null)

    const next = await startServer({ home: server.home })
    const rows = await rowsOf(next)
    const cut = rows.get(long.id)
    assert.deepEqual({ group: cut?.group, end: cut?.end }, { group: 'cut', end: 'shutdown' })
    assert.ok((cut?.outputTokens ?? 0) > 0)
    assert.deepEqual(
      [...rows.values()].map(({ group }) => group),
      ['cut', 'cut'],
    )
    await next.stop()
  })
})
