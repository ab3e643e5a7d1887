import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { createLogger, GristmillError, systemClock } from '../base/index.ts'
import { RouteBook } from '../route/index.ts'
import type { RouteService } from './services.ts'
import { openTestServer, type TestServer } from './test-server.ts'

let server: TestServer
let book: RouteBook
const holding = (): RouteBook => book

/** The book alone: what it stores is what is shown. */
const views: RouteService = {
  current: () => viewOf(holding().current),
  versions: async (page) => {
    const { rows, next } = await holding().versions(page)
    return { rows: rows.map((row) => ({ ...row, at: row.at.toISOString() })), next }
  },
  version: async (version) => viewOf(await holding().version(version)),
  apply: async (document, actor, note, base) =>
    viewOf(await holding().apply(document, actor, note, base)),
  draft: (document) => ({
    version: holding().current.version,
    problems:
      (document as { routes: unknown }).routes === 'nonsense'
        ? [{ path: 'routes', reason: 'seen' }]
        : [],
    warnings: [],
    changes: [],
    unexamined: [],
  }),
  rollback: async (actor, to) => viewOf(await holding().rollback(actor, to)),
  explain: async ({ model }) => {
    throw new GristmillError('not_found', { kind: 'route or model', id: model })
  },
}

function viewOf({ at, ...rest }: RouteBook['current']) {
  const copied = JSON.parse(JSON.stringify(rest))
  return { ...copied, at: at.toISOString(), warnings: [] }
}

before(async () => {
  server = await openTestServer({ routes: views })
  const { database, tenancy } = server
  const logger = createLogger('silent', 'test')
  book = new RouteBook({ database, audit: tenancy.audit, clock: systemClock, logger })
  await book.open()
})
after(async () => {
  book.close()
  await server.close()
})

const ask = (method: string, path: string, body?: object) =>
  server.ask(method, path, { local: true, ...(body && { body }) })

describe('the routes of models over the admin API', () => {
  it('are replaced as a whole, and by nobody who has not seen what holds', async () => {
    const routes = [{ name: 'small', targets: [{ model: 'toy' }] }]
    const first = await ask('PUT', '/api/routes', { routes, note: 'one', baseVersion: 0 })
    assert.equal(first.status, 200, first.text)
    assert.deepEqual(
      [first.json.version, first.json.note, first.json.routes[0].targets[0].weight],
      [1, 'one', 1],
    )
    const late = await ask('PUT', '/api/routes', { routes: [], baseVersion: 0 })
    assert.deepEqual([late.status, late.json.error.code], [409, 'conflict'])
    assert.equal((await ask('GET', '/api/routes')).json.version, 1)
  })

  it('are refused with everything that is wrong with them', async () => {
    const wrong = [{ name: '', targets: [{ model: 'm', colour: 1 }] }]
    const { status, json } = await ask('PUT', '/api/routes', { routes: wrong })
    assert.deepEqual([status, json.error.code], [400, 'invalid_routes'])
    assert.match(json.error.message, /routes\.0\.name: .*routes\.0\.targets\.0\.colour: /)
    const clash = [1, 2].map(() => ({ name: 'same', targets: [{ model: 'm' }] }))
    const { json: second } = await ask('PUT', '/api/routes', { routes: clash })
    assert.match(second.error.message, /routes\.1\.name: same is a name of same already/)
    const { json: none } = await ask('PUT', '/api/routes', {})
    assert.match(none.error.message, /routes: /)
  })

  it('are drafted and their traffic summed up without a change', async () => {
    const none = await ask('POST', '/api/routes/draft', { routes: 'nonsense' })
    assert.deepEqual([none.status, none.json.problems], [200, [{ path: 'routes', reason: 'seen' }]])
    const flow = await ask('GET', '/api/routes/flow?minutes=15')
    assert.deepEqual([flow.json.rows, flow.json.requests], [[], 0])
    assert.equal(Date.parse(flow.json.toAt) - Date.parse(flow.json.fromAt), 15 * 60_000)
    assert.equal((await ask('GET', '/api/routes/flow?minutes=16')).status, 400)
    assert.equal((await ask('GET', '/api/routes')).json.version, 1)
  })

  it('go back, and every version can be read', async () => {
    await ask('PUT', '/api/routes', { routes: [] })
    const back = await ask('POST', '/api/routes/rollback', {})
    assert.equal(back.json.routes[0].name, 'small')
    const { json } = await ask('GET', '/api/routes/versions?limit=2')
    assert.deepEqual(
      json.rows.map(({ version }: { version: number }) => version),
      [3, 2],
    )
    assert.equal((await ask('GET', '/api/routes/versions/1')).json.note, 'one')
    for (const version of ['99', 'x']) {
      assert.equal((await ask('GET', `/api/routes/versions/${version}`)).status, 404)
    }
  })
})
