import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { DemoRow, DemoView, KeyView, Page, QueueView } from '../src/http/index.ts'
import { removeHome, startServer, type TestServer } from './server.ts'

let server: TestServer

before(async () => {
  server = await startServer()
})

after(async () => {
  await server.stop()
  removeHome(server.home)
})

async function demoUntil(isReached: (view: DemoView | null) => boolean): Promise<DemoView | null> {
  for (;;) {
    const view = await server.api<DemoView | null>('GET', '/api/demo')
    if (isReached(view)) return view
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

const demoKeys = async () => {
  const { rows } = await server.api<Page<KeyView>>('GET', '/api/keys')
  return rows.filter(({ name }) => name === 'demo')
}

describe('the demo', () => {
  it('runs once at a time, and leaves nothing behind when it is cancelled', async () => {
    assert.equal(await server.api('GET', '/api/demo'), null)
    await server.api('POST', '/api/demo', { seconds: 60 })
    await assert.rejects(server.api('POST', '/api/demo', {}), /409.*runs already/)
    const running = await demoUntil((view) => view?.rows.every((row) => row.requests > 0) ?? false)
    assert.equal(running?.half, 'fcfs')
    const cancelled = await server.api<DemoView>('DELETE', '/api/demo')
    assert.equal(cancelled.state, 'cancelled')
    const keys = await demoKeys()
    assert.equal(keys.length, 3)
    assert.ok(keys.every(({ state }) => state === 'revoked'))
    const queue = await server.api<QueueView>('GET', '/api/queue')
    assert.equal(queue.own.length, 0)
  })

  it('uses the same tenants again, goes through both halves, and says what was measured', async () => {
    await server.api('POST', '/api/demo', { seconds: 5 })
    const done = await demoUntil((view) => view?.state !== 'running')
    assert.ok(done)
    assert.equal(done.state, 'done')
    assert.equal(done.rows.length, 6)
    for (const half of ['fcfs', 'fair']) {
      const rows: DemoRow[] = done.rows.filter((row) => row.half === half)
      assert.deepEqual(
        rows.map(({ tenant }) => tenant),
        ['Demo flood', 'Demo chat', 'Demo light'],
      )
      const shares = rows.reduce((sum, { share }) => sum + share, 0)
      assert.ok(Math.abs(shares - 1) < 1e-9)
      assert.ok(rows.every(({ requests }) => requests > 0))
    }
    const { rows } = await server.api<Page<{ name: string }>>('GET', '/api/tenants')
    assert.equal(rows.filter(({ name }) => name.startsWith('Demo ')).length, 3)
  })

  it('does not keep a server from stopping', async () => {
    await server.api('POST', '/api/demo', { seconds: 600 })
    await demoUntil((view) => (view?.rows.length ?? 0) === 3)
    const { code, stderr } = await server.stop()
    assert.equal(code, 0, stderr)
  })
})
