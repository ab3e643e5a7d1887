import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type CountedEngine, startCountedEngine } from '../bench/counted-engine.ts'
import { eventually } from '../src/base/test-eventually.ts'
import { freePort } from '../src/host/index.ts'
import type { ClusterView } from '../src/http/index.ts'
import { openTestDatabase, type TestDatabase } from '../src/store/index.ts'
import { waitingOf } from './sdk-clients.ts'
import { beginServer, newHome, removeHome, startServer, type TestServer } from './server.ts'

const KEY = Buffer.alloc(32, 7).toString('base64')

describe('two gateways at one database', () => {
  const homes = [newHome(), newHome(), newHome()]
  let database: TestDatabase
  let engine: CountedEngine
  let one: TestServer
  let two: TestServer
  let key: string

  const start = async (home: string) => {
    const port = await freePort()
    return startServer({
      home,
      model: null,
      args: ['--engine', 'none', '--port', String(port)],
      env: {
        DATABASE_URL: database.url,
        GRISTMILL_CLUSTER_URL: `http://127.0.0.1:${port}`,
        GRISTMILL_SECRET_KEY: KEY,
        GRISTMILL_CONTENT_KEY: KEY,
      },
    })
  }
  const ask = async (server: TestServer, changes = {}) => {
    const messages = [{ role: 'user', content: 'A word for tenant x' }]
    const body = { model: 'counted', messages, max_tokens: 3, stream: true, ...changes }
    const answer = await server.v1('/chat/completions', body, { key })
    const requestId = answer.headers.get('x-gristmill-request-id') ?? ''
    return { status: answer.status, text: await answer.text(), requestId }
  }
  const cluster = (server: TestServer) => server.api<ClusterView>('GET', '/api/cluster')
  const statesAt = async (server: TestServer) =>
    (await cluster(server)).gateways.map(({ state }) => state).sort()

  before(async () => {
    database = await openTestDatabase()
    const shape = { cap: 2, express: 0, model: 'counted', contextTokens: 512, tokenMs: 20 }
    engine = await startCountedEngine(shape)
    one = await start(homes[0] ?? '')
    two = await start(homes[1] ?? '')
    key = (await one.tenant('x')).key
    await one.api('POST', '/api/engines', { url: engine.url })
  })

  after(async () => {
    await two?.stop()
    await one?.stop()
    await engine?.close()
    await database?.close()
    homes.forEach(removeHome)
  })

  it('both answer, and both say who schedules', async () => {
    await eventually('the second one knows the engine', async () => (await ask(two)).status === 200)
    for (const server of [one, two]) {
      const { status, text } = await ask(server)
      assert.equal(status, 200)
      assert.match(text, /\[DONE\]/)
    }
    await eventually('both are connected', async () => {
      return JSON.stringify(await statesAt(one)) === '["connected","scheduling"]'
    })
    const view = await cluster(one)
    assert.equal(view.lease?.gatewayId, view.answeredBy)
    assert.equal((await cluster(two)).lease?.gatewayId, view.answeredBy)
  })

  it('never run more on the engine together than it has places', async () => {
    await Promise.all([one, two, one, two, one, two].map((server) => ask(server)))
    assert.equal(engine.inFlightMost, 2)
  })

  it('hold a limit of tokens per minute together', async () => {
    const limited = await one.tenant('limited', { limits: { tokensPerMinute: 100 } })
    const messages = [{ role: 'user', content: 'A word for tenant limited' }]
    const body = { model: 'counted', messages, max_tokens: 60 }
    const asked = { ...body, stream: true }
    const first = await one.v1('/chat/completions', asked, { key: limited.key })
    const second = await two.v1('/chat/completions', asked, { key: limited.key })
    await first.text()
    const { error } = (await second.json()) as { error: { code: string } }
    assert.deepEqual([first.status, second.status], [200, 429])
    assert.equal(error.code, 'tokens_per_minute_exceeded')
  })

  it('weigh what waits anew when a weight changes, wherever that was said', async () => {
    const flood = async (name: string) => {
      const { id, key } = await one.tenant(name)
      const messages = [{ role: 'user', content: `A word for tenant ${name}` }]
      const body = { model: 'counted', messages, max_tokens: 8, stream: true }
      const all = Array.from({ length: 30 }, async () => {
        const answer = await two.v1('/chat/completions', body, { key })
        await answer.text()
      })
      await eventually('they wait', async () => (await waitingOf(one, key)) > 20)
      return { id, done: Promise.all(all) }
    }
    const heavy = await flood('heavy')
    const light = await flood('light')
    await two.api('PATCH', `/api/tenants/${light.id}`, { weight: 20 })
    const before = engine.tokens.get('heavy') ?? 0
    await light.done
    const meanwhile = (engine.tokens.get('heavy') ?? 0) - before
    assert.ok(meanwhile < 8 * 10, `${meanwhile} tokens of 240 meanwhile`)
    await heavy.done
  })

  it('answer a repetition with the first answer, whichever of them is asked', async () => {
    const { key } = await one.tenant('orders')
    const messages = [{ role: 'user', content: 'A word for tenant orders' }]
    const order = async (server: TestServer, name: string) => {
      const headers = { 'idempotency-key': name }
      const body = { model: 'counted', messages, max_tokens: 20, stream: true }
      const answer = await server.v1('/chat/completions', body, { key, headers })
      const first = answer.headers.get('x-gristmill-replayed')
      const id = answer.headers.get('x-request-id') ?? ''
      return { text: await answer.text(), first, id }
    }
    const names = Array.from({ length: 6 }, (_, i) => `order ${i}`)
    const before = engine.begun.size
    await Promise.all(
      names.map(async (name) => {
        const both = await Promise.all([order(one, name), order(two, name)])
        both.push(await order(one, name), await order(two, name))
        const run = both.find(({ first }) => first === null)
        for (const { text, first } of both) {
          assert.match(text, /\[DONE\]/)
          assert.equal(text, run?.text)
          assert.ok(first === null || first === run?.id)
        }
        assert.equal(both.filter(({ first }) => first === null).length, 1)
      }),
    )
    assert.equal(engine.begun.size - before, names.length)
  })

  it('refuse one that wants the database for itself', async () => {
    const env = { DATABASE_URL: database.url }
    const args = ['--engine', 'none']
    const alone = beginServer({ home: homes[2] ?? '', model: null, args, env })
    const { code, stderr } = await alone.ended
    assert.equal(code, 1)
    assert.match(stderr, /schedules on this database/)
  })

  it('go on when the one that schedules is killed, and it comes back', async () => {
    const running = ask(two, { max_tokens: 100 })
    await one.stop('SIGKILL')
    const waiting = ask(two)
    assert.match((await running).text, /\[DONE\]/)
    assert.match((await waiting).text, /\[DONE\]/)
    const { takeovers, answeredBy } = await cluster(two)
    assert.equal(takeovers[0]?.gatewayId, answeredBy)
    one = await start(homes[0] ?? '')
    await eventually('it is connected', async () => (await ask(one)).status === 200)
    assert.equal(
      engine.begun.size,
      [...engine.begun.values()].reduce((a, b) => a + b, 0),
    )
  })

  it('have not left before all is written, and write it when they come back', async () => {
    const { answeredBy } = await cluster(one)
    const settledAs = async (requestId: string) => {
      const [row] = await database.sql<{ group: string }[]>`
        select settlement_group as "group" from ledger_settlements where request_id = ${requestId}`
      return row?.group
    }
    const [held, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const locked = database.transaction(async (sql) => {
      await sql`lock table ledger_settlements in exclusive mode`
      held.resolve()
      await release.promise
    })
    await held.promise
    const { text, requestId } = await ask(one)
    assert.match(text, /\[DONE\]/)
    await one.stop()
    const [row] = await database.sql<{ leftAt: Date | null }[]>`
      select left_at as "leftAt" from gateways where id = ${answeredBy}`
    assert.equal(row?.leftAt, null)
    assert.equal(await settledAs(requestId), undefined)
    release.resolve()
    await locked
    one = await start(homes[0] ?? '')
    assert.equal(await eventually('it is settled', () => settledAs(requestId)), 'finished')
  })
})
