/** What a person sees of the first start, of a second one, and who can reach what runs. */

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { eventually } from '../src/base/test-eventually.ts'
import {
  beginServer,
  chatBody,
  newHome,
  processesOf,
  readStream,
  removeHome,
  startServer,
  type TestServer,
} from './server.ts'

describe('a first start', () => {
  let server: TestServer
  before(async () => {
    // A first start, which makes its database itself.
    server = await startServer({ home: newHome() })
  })
  after(async () => {
    await server.stop()
    removeHome(server.home)
  })

  it('prints one line of JSON with all that is needed to begin', () => {
    const { url, pid, home, apiKey, adminLink, model, toyModel } = server.line
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/)
    assert.equal(pid, server.process.pid)
    assert.equal(home, server.home)
    assert.match(apiKey ?? '', /^gm-/)
    assert.ok(adminLink?.startsWith(`${url}/first-run?token=`))
    assert.deepEqual({ model, toyModel }, { model: 'toy', toyModel: true })
    assert.equal(server.line.embeddingModel, null)
    assert.equal(Object.keys(server.line).length, 8)
  })

  it('answers a chat with the printed key, and the ledger knows it', async () => {
    const response = await server.v1('/chat/completions', chatBody(40))
    const requestId = response.headers.get('x-gristmill-request-id')
    const end = await readStream(response)
    assert.equal(end.finishReason, 'length')
    assert.ok(end.done && end.text.length > 0)
    const row = () => server.api<Record<string, unknown>>('GET', `/api/requests/${requestId}`)
    await eventually('it is settled', async () => (await row()).group !== null)
    const { group, outputTokens } = await row()
    assert.deepEqual({ group, outputTokens }, { group: 'finished', outputTokens: 40 })
  })

  it('says on the API that the model is a toy', async () => {
    const { rows } = await server.api<{ rows: { models: { toy: boolean }[] }[] }>(
      'GET',
      '/api/engines',
    )
    assert.deepEqual(
      rows.flatMap(({ models }) => models.map(({ toy }) => toy)),
      [true],
    )
  })

  it('listens on loopback only', { skip: process.platform !== 'linux' && 'reads /proc' }, () => {
    const addresses = listening(processesOf(server.home))
    assert.ok(addresses.length >= 2, 'the gateway and the engine listen')
    for (const address of addresses) assert.match(address, /^(127\.|::1)/)
  })

  it('shows nothing of the API without a login, and answers no request without a key', async () => {
    for (const path of ['/api/tenants', '/api/keys', '/api/requests', '/api/live']) {
      const { status } = await fetch(server.url + path)
      assert.equal(status, 401, path)
    }
    const wrong = { 'x-gristmill-local': 'f'.repeat(64) }
    assert.equal((await fetch(`${server.url}/api/tenants`, { headers: wrong })).status, 401)
    const { status } = await server.v1('/chat/completions', chatBody(1), { key: 'gm-wrong' })
    assert.equal(status, 401)
  })

  it('keeps its secrets to the user that started it', () => {
    for (const name of ['cli-token', 'server.json', 'secrets', 'run', 'logs']) {
      assert.equal(statSync(join(server.home, name)).mode & 0o077, 0, name)
    }
  })

  it('a second start on the same home says who holds it and ends with 1', async () => {
    const { code, stderr, stdout } = await beginServer({ home: server.home }).ended
    assert.equal(code, 1)
    assert.equal(stdout, '')
    assert.equal(stderr.split('\n').length, 1, stderr)
    assert.match(stderr, new RegExp(`${server.home} is in use by process ${server.line.pid} `))
    assert.equal((await fetch(`${server.url}/livez`)).status, 200)
  })

  it('a start on a taken port says so, ends with 1 and leaves nothing running', async () => {
    const { port } = new URL(server.url)
    const other = beginServer({ home: newHome(), args: ['--port', port, '--engine', 'none'] })
    const { code, stderr } = await other.ended
    assert.equal(code, 1)
    assert.match(stderr, new RegExp(`^gristmill: Port ${port} on 127.0.0.1 is in use — `))
    assert.equal(stderr.split('\n').length, 1, stderr)
    assert.deepEqual(processesOf(other.home), [])
    removeHome(other.home)
  })
})

describe('a first start that can fetch no model', () => {
  it('serves the toy model and says so, and why', async () => {
    const home = newHome()
    const server = await startServer({ home, model: null })
    try {
      assert.equal(server.line.toyModel, true)
      assert.match(server.notes.join('\n'), /toy/)
      const end = await readStream(await server.v1('/chat/completions', chatBody(5)))
      assert.equal(end.finishReason, 'length')
    } finally {
      await server.stop()
      removeHome(home)
    }
  })
})

/** Addresses on which these processes listen for TCP, from /proc. */
function listening(pids: number[]): string[] {
  const inodes = new Set(pids.flatMap(socketsOf))
  return ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/net/${table}`, 'utf8')
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state, ...rest]) => state === '0A' && inodes.has(rest[5] ?? ''))
      .map(([, local = '']) => addressOf(local)),
  )
}

function socketsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    const target = linkOf(`/proc/${pid}/fd/${fd}`)
    return /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []
  })
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch (error) {
    // Closed meanwhile.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}

/** `0100007F:1130` as `127.0.0.1`; IPv6 loopback as `::1`, any other as its digits. */
function addressOf(local: string): string {
  const [hex = ''] = local.split(':')
  if (hex.length === 8)
    return (hex.match(/../g) ?? [])
      .reverse()
      .map((b) => parseInt(b, 16))
      .join('.')
  return hex === '00000000000000000000000001000000' ? '::1' : hex
}
