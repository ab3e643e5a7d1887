/** kill -9 of every part: nothing is left behind, nothing is lost, nothing hangs. */

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { eventually } from '../src/base/test-eventually.ts'
import { writeBertModel } from '../src/llama/bert-model.ts'
import { publish, randomWeights } from '../src/llama/bert-parts.fixture.ts'
import {
  beginServer,
  chatBody,
  newHome,
  preparedHome,
  processesOf,
  readStream,
  removeHome,
  startServer,
  type TestServer,
} from './server.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const homes: string[] = []
after(() => {
  for (const home of homes) removeHome(home)
})

async function home(): Promise<string> {
  const made = await preparedHome()
  homes.push(made)
  return made
}

async function running(server: TestServer, maxTokens: number) {
  const begun = Promise.withResolvers<void>()
  const response = await server.v1('/chat/completions', chatBody(maxTokens))
  const end = readStream(response, () => begun.resolve())
  await Promise.race([begun.promise, end])
  return { id: response.headers.get('x-gristmill-request-id') ?? '', end }
}

type Part = 'engine' | 'embedding-engine' | 'postgresql'

function pidOf(server: TestServer, part: Part): number {
  const record = readFileSync(join(server.home, 'run', `${part}.json`), 'utf8')
  return (JSON.parse(record) as { childPid: number }).childPid
}

const isGone = (pid: number) => !existsSync(`/proc/${pid}`)

describe('kill -9 of the server', () => {
  it('leaves no child, and the next start waits for the last one and books what was open', async () => {
    const server = await startServer({ home: await home() })
    const streams = await Promise.all([running(server, 4000), running(server, 4000)])
    const children = processesOf(server.home).filter((pid) => pid !== server.line.pid)
    assert.ok(children.length >= 4, 'engine and database, and a watcher of each')
    // The database cannot stop until it goes on, so the next start comes while it is there.
    process.kill(pidOf(server, 'postgresql'), 'SIGSTOP')
    server.process.kill('SIGKILL')
    await server.ended
    const database = pidOf(server, 'postgresql')
    const next = beginServer({ home: server.home })
    await eventually('the next start says that it waits', () =>
      /Waiting for/.test(next.notes.join()),
    )
    process.kill(database, 'SIGCONT')
    await eventually('its children are gone', () => children.every(isGone))
    const { url } = await next.ready
    assert.match(next.notes.join('\n'), /Waiting for postgresql \(process \d+\) .* to stop/)
    for (const { id, end } of streams) {
      assert.notEqual((await end).broken, null)
      const row = await settled(server.home, url, id)
      assert.deepEqual([row.group, row.end], ['recovered', 'gateway_crash'])
    }
    next.process.kill('SIGTERM')
    assert.equal((await next.ended).code, 0)
  })

  it('of what started it: the server ends by itself, running answers first', async () => {
    // With the system's Node.js, which may be one that only starts another.
    const folders = (process.env.PATH ?? '').split(delimiter)
    const PATH = folders.filter((path) => !path.includes('node_modules')).join(delimiter)
    const env = { PATH, GRISTMILL_PARENTS: undefined, npm_lifecycle_event: undefined }
    const command = ['npm', 'run', 'gristmill', '--']
    const server = await startServer({ home: await home(), env, command, cwd: root })
    const { end } = await running(server, 2000)
    server.process.kill('SIGKILL')
    await eventually('nothing runs', () => processesOf(server.home).length === 0)
    assert.equal((await end).finishReason, 'length')
  })
})

describe('a first start that is ended half-way', () => {
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    it(`by ${signal} leaves no process, and the next one starts over`, async () => {
      const folder = newHome()
      homes.push(folder)
      const args = ['--engine', 'none']
      const first = beginServer({ home: folder, args })
      const unfinished = join(folder, 'postgres', 'data.new', 'PG_VERSION')
      await eventually('the database is being made', () => existsSync(unfinished))
      first.process.kill(signal)
      assert.deepEqual((await first.ended).stdout, '')
      const next = await startServer({ home: folder, args })
      assert.match(next.apiKey, /^gm-/)
      assert.equal((await next.stop()).code, 0)
      assert.deepEqual(processesOf(folder), [])
    })
  }
})

describe('kill -9 of the engine', () => {
  let server: TestServer
  before(async () => {
    server = await startServer({ home: await home() })
  })
  after(() => server.stop())

  it('ends what streams with an error event and answers the rest from the next engine', async () => {
    const streaming = await running(server, 4000)
    const engine = pidOf(server, 'engine')
    process.kill(engine, 'SIGSTOP')
    const early = server.v1('/chat/completions', chatBody(30))
    await eventually(
      'the second request is at the engine',
      async () => (await inFlight(server)) === 2,
    )
    process.kill(engine, 'SIGKILL')

    const { error, broken, done } = await streaming.end
    assert.equal(error?.code, 'engine_failed')
    assert.deepEqual({ broken, done }, { broken: null, done: false })
    const answer = await early
    assert.equal(answer.status, 200)
    assert.equal((await readStream(answer)).finishReason, 'length')
    assert.notEqual(pidOf(server, 'engine'), engine)
    const retried = answer.headers.get('x-gristmill-request-id') ?? ''
    assert.equal((await settled(server.home, server.url, retried)).group, 'finished')
    const cut = await settled(server.home, server.url, streaming.id)
    assert.deepEqual([cut.group, cut.end], ['cut', 'engine_failed'])
    assert.equal(await inFlight(server), 0)
  })
})

describe('kill -9 of the engine that embeds', () => {
  it('has it start again, which the list of engines tells', async () => {
    const folder = await home()
    const model = join(folder, 'toy-bert.gguf')
    await publish(folder, randomWeights())
    await writeBertModel(folder, 'toy-bert', model)
    const args = ['--engine', 'none', '--embedding-model', model]
    const server = await startServer({ home: folder, args })
    process.kill(pidOf(server, 'embedding-engine'), 'SIGKILL')
    await eventually('it embeds again', async () => {
      const body = { model: server.line.embeddingModel, input: 'the miller grinds.' }
      const { status } = await server.v1('/embeddings', body)
      const { rows } = await server.api<{ rows: { restarts: number }[] }>('GET', '/api/engines')
      return status === 200 && rows[0]?.restarts === 1
    })
    assert.equal((await server.stop()).code, 0)
  })
})

describe('kill -9 of the database', () => {
  it('is a pause: running answers finish, and new ones are served again', async () => {
    const server = await startServer({ home: await home() })
    const streaming = await running(server, 3000)
    process.kill(pidOf(server, 'postgresql'), 'SIGKILL')
    const refusedOrServed = new Set<number>()
    await eventually('requests are served again', async () => {
      const response = await server.v1('/chat/completions', chatBody(2))
      await response.text()
      refusedOrServed.add(response.status)
      return response.status === 200 && (await streaming.end).done
    })
    for (const status of refusedOrServed) assert.ok([200, 503].includes(status), String(status))
    assert.equal((await streaming.end).finishReason, 'length')
    assert.equal((await settled(server.home, server.url, streaming.id)).group, 'finished')
    assert.equal((await server.stop()).code, 0)
  })
})

async function inFlight(server: TestServer): Promise<number> {
  const { rows } = await server.api<{ rows: { inFlight: number }[] }>('GET', '/api/engines')
  return rows.reduce((sum, row) => sum + row.inFlight, 0)
}

interface Row {
  group: string | null
  end: string | null
}

/** The settled row of a request, as the command line of this machine sees it. */
async function settled(folder: string, url: string, id: string): Promise<Row> {
  const headers = { 'x-gristmill-local': readFileSync(join(folder, 'cli-token'), 'utf8') }
  let row: Row = { group: null, end: null }
  await eventually(`request ${id} is settled`, async () => {
    row = (await (await fetch(`${url}/api/requests/${id}`, { headers })).json()) as Row
    return row.group != null
  })
  return row
}
