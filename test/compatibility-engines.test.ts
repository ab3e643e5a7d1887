/**
 * Every SDK at real engines of others, where `GRISTMILL_TEST_ENGINES` names a folder with them;
 * skipped where it does not.
 */
import { after, before, describe, test } from 'node:test'
import { MODEL, type Program, startLlama, startVllm } from '../bench/rival-programs.ts'
import { askAll, compare } from './compatibility-matrix.ts'
import { removeHome, startServer, type TestServer } from './server.ts'

const dir = process.env.GRISTMILL_TEST_ENGINES ?? ''
const skip = dir === '' && 'GRISTMILL_TEST_ENGINES is not set'
/** Short, because a machine without an accelerator writes a few tokens a second. */
const bounds = { wordTokens: 100, shapeTokens: 80 }
const asked = { model: MODEL, ...bounds, sampling: { seed: 1, temperature: 0 } }

describe('every client at engines of others', { skip }, () => {
  let server: TestServer
  before(async () => {
    server = await startServer({ model: null, args: ['--engine', 'none'] })
  })
  after(async () => {
    await server.stop()
    removeHome(server.home)
  })

  async function at(name: string, program: Promise<Program>): Promise<void> {
    const { url, stop } = await program
    try {
      const engine = await server.api<{ id: string }>('POST', '/api/engines', { url, cap: 2 })
      compare(name, await askAll(server, { ...asked, busy: `busy at ${name}` }))
      await server.api('DELETE', `/api/engines/${engine.id}`)
    } finally {
      await stop()
    }
  }

  test("llama.cpp's server does what the table says", () => at('llama.cpp', startLlama(dir)))
  test('vLLM does what the table says', () => at('vLLM', startVllm(dir, 'vllm-tools.yaml')))
})
