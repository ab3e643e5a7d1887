import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { openTestServer, type TestServer } from './test-server.ts'

const path = '/api/engines/eng_1/costs'

describe('what engines cost', () => {
  let server: TestServer
  before(async () => {
    server = await openTestServer()
  })
  after(() => server.close())
  const set = (body: object, where = path) => server.ask('POST', where, { local: true, body })

  it('is set from a minute on, and parts that are not named stay', async () => {
    const first = await set({ machine: '2.10', energy: '0.35', from: '2026-11-01T00:00:00Z' })
    assert.equal(first.status, 201, first.text)
    const { engineName, total } = first.json
    assert.deepEqual([engineName, total], ['embedded', '2.45'])
    await set({ staff: '0.000000001', from: '2026-12-01T00:00:00Z' })
    const { json } = await server.ask('GET', path, { local: true })
    assert.deepEqual(
      json.map(({ fromAt, total }: Record<string, string>) => [fromAt, total]),
      [
        ['2026-12-01T00:00:00.000Z', '2.450000001'],
        ['2026-11-01T00:00:00.000Z', '2.45'],
      ],
    )
    const audit = await server.ask('GET', '/api/audit?action=engine.cost', { local: true })
    assert.equal(audit.json.rows[0].detail.machine, '2.1')
  })

  it('is refused where it is no amount, no minute, nothing or of nobody', async () => {
    for (const [body, param] of [
      [{ machine: '-1' }, 'machine'],
      [{ machine: 2.1 }, 'machine'],
      [{ energy: '0.0000000001' }, 'energy'],
      [{}, 'machine'],
      [{ staff: '1', from: '2026-11-01T00:00:30Z' }, 'from'],
    ] as const) {
      const { status, json } = await set(body)
      assert.deepEqual([status, json.error.param], [400, param])
    }
    assert.equal((await set({ machine: '1' }, '/api/engines/none/costs')).status, 404)
  })

  it('cannot be changed afterwards', async () => {
    await set({ machine: '1' })
    await assert.rejects(server.database.sql`update engine_costs set machine_nanos = 0`)
    await assert.rejects(server.database.sql`delete from engine_costs`)
  })
})
