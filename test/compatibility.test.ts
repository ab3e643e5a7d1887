/** Every SDK at the embedded engine. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { askAll, compare, NOT_SENT } from './compatibility-matrix.ts'
import { removeHome, startServer, type TestServer } from './server.ts'

describe('every client at the embedded engine', () => {
  let server: TestServer
  before(async () => {
    server = await startServer()
  })
  after(async () => {
    await server.stop()
    removeHome(server.home)
  })

  it('does what the table says', async () => {
    // The toy model's answers come to their end long before.
    const bounds = { wordTokens: 1000, shapeTokens: 1000 }
    const found = await askAll(server, { model: 'toy', ...bounds, sampling: { seed: 1 } })
    compare('embedded', found)
    const all = Object.values(found).flatMap((outcomes) => Object.values(outcomes))
    // LangChain 1.6.0 leaves `required` out on Responses.
    assert.deepEqual(
      all.filter((outcome) => outcome !== 'yes'),
      [NOT_SENT],
    )
  })
})
