import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { LOCAL_TOKEN, openTestServer, type TestServer } from '../http/test-server.ts'
import type { Finding } from './doctor.ts'
import type { StartServer } from './start.ts'
import { cli } from './test-cli.ts'

const home = mkdtempSync(join(tmpdir(), 'gristmill-cli-'))
const environment = { GRISTMILL_HOME: home }
const run = (...words: string[]) => cli(words, environment)
let server: TestServer

before(async () => {
  server = await openTestServer()
  writeFileSync(join(home, 'server.json'), JSON.stringify({ url: server.url, pid: process.pid }))
  writeFileSync(join(home, 'cli-token'), LOCAL_TOKEN)
})

after(async () => {
  await server.close()
  rmSync(home, { recursive: true })
})

describe('the command line and a server on the same machine', () => {
  it('creates a tenant and a key that works, without any login', async () => {
    const tenant = await run('tenant', 'create', 'Support', '--weight', '2', '--json')
    assert.equal(tenant.code, 0, tenant.err)
    const { id, weight } = JSON.parse(tenant.out)
    assert.match(id, /^ten_/)
    assert.equal(weight, 2)

    const key = await run('key', 'create', '--tenant', 'Support', '--json')
    assert.equal(key.code, 0, key.err)
    const answer = await server.ask('GET', '/v1/queue', { key: JSON.parse(key.out).key })
    assert.equal(answer.status, 200)
  })

  it('tells what is kept, how long and by which variable', async () => {
    const { code, out, err } = await run('retention')
    assert.equal(code, 0, err)
    assert.match(out, /Requests are kept for 13 whole months; the oldest go on \d{4}-\d\d-01\./)
    assert.match(out, /^Files +30 days after upload +GRISTMILL_FILE_RETENTION_DAYS +0 +\S+ kB$/m)
    assert.match(out, /^Audit log +ever /m)
    const { requests } = JSON.parse((await run('retention', '--json')).out)
    assert.equal(requests.months, 13)
  })

  it('checks the audit log, and finds a link that was noted earlier', async () => {
    const first = await run('audit', 'verify', '--json')
    assert.equal(first.code, 0, first.err)
    const { seq, hash } = JSON.parse(first.out).head
    await run('tenant', 'create', 'Noted')
    const expect = (link: string) => run('audit', 'verify', '--expect', link)
    assert.equal((await expect(`${seq}:${hash}`)).code, 0)
    const other = await expect(`${seq}:${'0'.repeat(64)}`)
    assert.deepEqual([other.code, /another than was expected/.test(other.out)], [1, true])
    const lines = (await run('audit', 'export', '--after', String(seq))).out.trim().split('\n')
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).action),
      ['tenant.create'],
    )
  })

  it('prints a new key alone on standard output, so that a script can keep it', async () => {
    await run('tenant', 'create', 'Scripts')
    const { out, err } = await run('key', 'create', '--tenant', 'Scripts', '--name', 'bot')
    assert.match(out, /^\S+\n$/)
    assert.match(err, /shown only now/)
  })

  it('shows lists as aligned tables and as JSON', async () => {
    await run('tenant', 'create', '日本語', '--weight', '0.5')
    const { out } = await run('tenant', 'list')
    const [titles = '', ...rows] = out.trimEnd().split('\n')
    const column = titles.indexOf('ID')
    const cells = (text: string) => text.replace(/[\u2e80-\uffff]/g, 'xx')
    for (const row of rows) assert.equal(cells(row).indexOf('ten_'), column, row)
    const json = await run('tenant', 'list', '--json')
    assert.equal(JSON.parse(json.out).length, rows.length)
  })

  it('changes limits of a tenant and takes them away again', async () => {
    await run('tenant', 'create', 'Bounded')
    const set = await run('tenant', 'update', 'Bounded', '--concurrency', '3', '--json')
    assert.equal(JSON.parse(set.out).limits.concurrencyMax, 3)
    const unset = await run('tenant', 'update', 'Bounded', '--concurrency', 'none', '--json')
    assert.equal(JSON.parse(unset.out).limits.concurrencyMax, null)
  })

  it('asks before it destroys, and goes on where --yes stands', async () => {
    await run('tenant', 'create', 'Gone')
    const asked = await run('tenant', 'remove', 'Gone')
    assert.equal(asked.code, 1)
    assert.match(asked.err, /nobody confirmed it — Say --yes/)
    const removed = await run('tenant', 'remove', 'Gone', '--yes')
    assert.equal(removed.code, 0, removed.err)
    const shown = await run('tenant', 'show', 'Gone')
    assert.equal(shown.code, 1)
  })

  it('revokes and rotates keys', async () => {
    await run('tenant', 'create', 'Rotating')
    const made = JSON.parse((await run('key', 'create', '--tenant', 'Rotating', '--json')).out)
    const rotated = await run('key', 'rotate', made.id, '--overlap', '1h', '--json')
    assert.notEqual(JSON.parse(rotated.out).key, made.key)
    assert.equal((await run('key', 'revoke', made.id, '--yes')).code, 0)
    const { out } = await run('key', 'list', '--tenant', 'Rotating', '--json')
    assert.equal(JSON.parse(out)[0].state, 'revoked')
    assert.match((await run('key', 'list')).out, /^Rotating +key +key_\w+ .* revoked/m)
  })

  it('changes a key, and lets one of another gateway move in', async () => {
    await run('tenant', 'create', 'Moved')
    const sha256 = createHash('sha256').update('sk-from-elsewhere').digest('hex')
    const made = await run('key', 'import', '--tenant', 'Moved', '--sha256', sha256, '--json')
    assert.equal(made.code, 0, made.err)
    const { id } = JSON.parse(made.out)
    const answer = await server.ask('GET', '/v1/queue', { key: 'sk-from-elsewhere' })
    assert.equal(answer.status, 200)
    const flags = ['--concurrency', '2', '--class', 'flex', '--expires', '1h', '--json']
    const changed = JSON.parse((await run('key', 'update', id, ...flags)).out)
    assert.deepEqual([changed.limits.concurrencyMax, changed.defaultClass], [2, 'flex'])
    assert.ok(changed.expiresAt)
    const back = ['--concurrency', 'none', '--class', 'tenant', '--expires', 'never', '--json']
    const { limits, defaultClass, expiresAt } = JSON.parse(
      (await run('key', 'update', id, ...back)).out,
    )
    assert.deepEqual([limits.concurrencyMax, defaultClass, expiresAt], [null, null, null])
  })

  it('renames and archives projects', async () => {
    await run('tenant', 'create', 'Busy')
    const project = (...words: string[]) => run('project', ...words, '--tenant', 'Busy', '--json')
    await project('create', 'nightly')
    const changed = await project('update', 'nightly', '--name', 'hourly', '--weight', '3')
    assert.equal(JSON.parse(changed.out).weight, 3)
    assert.equal((await project('remove', 'hourly', '--yes')).code, 0)
    const left = JSON.parse((await project('list')).out).map(({ name }: { name: string }) => name)
    assert.deepEqual(left, ['default'])
  })

  it('changes and removes people, but never the last owner', async () => {
    await run('tenant', 'create', 'Hers')
    await run('user', 'invite', 'anna@example.org')
    const change = (...words: string[]) => run('user', 'change', 'Anna@example.org', ...words)
    const bound = JSON.parse((await change('--tenants', 'Hers', '--json')).out)
    assert.equal(bound.tenantIds.length, 1)
    assert.equal(bound.role, 'member')
    const changed = JSON.parse((await change('--role', 'owner', '--tenants', 'all', '--json')).out)
    assert.deepEqual([changed.role, changed.tenantIds], ['owner', []])
    const refused = await run('user', 'remove', 'anna@example.org', '--yes')
    assert.match(refused.err, /at least one owner/)
    await run('user', 'invite', 'ben@example.org', '--role', 'owner')
    assert.equal((await run('user', 'remove', 'anna@example.org', '--yes')).code, 0)
    const { out } = await run('user', 'list', '--json')
    assert.ok(!out.includes('anna@example.org'))
  })

  it('tells from the audit log that it was the command line', async () => {
    const { out } = await run('audit', '--action', 'tenant.', '--last', '1', '--json')
    const [row] = JSON.parse(out)
    assert.equal(row.actor, 'cli')
    assert.match(row.action, /^tenant\./)
  })

  it('says plainly when a list is empty', async () => {
    const queue = await run('queue')
    assert.equal(queue.code, 0, queue.err)
    assert.match(queue.err, /Nobody waits/)
  })
})

describe('mistakes on the command line', () => {
  it('ends with 2 where it was not understood, and names the help', async () => {
    for (const words of [
      ['nonsense'],
      ['key', 'create'],
      ['tenant', 'create', 'A', '--weight', 'x'],
      ['usage', '--by', 'colour'],
      ['chat'],
      ['chat', ' '],
    ]) {
      const { code, err } = await run(...words)
      assert.equal(code, 2, words.join(' '))
      assert.match(err, /error:/)
    }
    assert.match((await run('key', 'create')).err, /gristmill key create --help/)
    assert.match((await run('nonsense')).err, /\(gristmill --help shows how\)/)
    assert.match((await run('tenant', 'lst')).err, /Did you mean list.*\(gristmill tenant --help/s)
  })

  it('ends with 1 and one line where it cannot be done', async () => {
    const { code, err, out } = await run('tenant', 'show', 'Nobody')
    assert.equal(code, 1)
    assert.equal(out, '')
    assert.equal(err, 'gristmill: There is no tenant Nobody — List what exists, then use its id.\n')
  })

  it('says of every file that is not there just that', async () => {
    for (const words of [
      ['route', 'apply', '/nope'],
      ['user', 'rules', 'apply', '/nope'],
      ['price', 'import', '/nope'],
      ['import', 'litellm', '--config', '/nope'],
      ['plan', '--trace', '/nope'],
      ['batch', 'submit', '/nope'],
    ]) {
      const { code, err } = await run(...words)
      assert.equal(code, 1)
      assert.equal(err, 'gristmill: /nope: there is no such file.\n', words.join(' '))
    }
  })

  it('passes on what the server refuses, with its advice', async () => {
    await run('tenant', 'create', 'Twice')
    const { code, err } = await run('tenant', 'create', 'Twice')
    assert.equal(code, 1)
    assert.equal(err.trim().split('\n').length, 1)
    assert.match(err, /Twice/)
  })

  it('says how to start a server where none runs', async () => {
    const elsewhere = { GRISTMILL_HOME: join(home, 'empty') }
    const { code, err } = await cli(['tenant', 'list'], elsewhere)
    assert.equal(code, 1)
    assert.match(err, /No running Gristmill.*gristmill start/)
    const away = await cli(['tenant', 'list'], {
      ...elsewhere,
      GRISTMILL_URL: 'http://127.0.0.1:9',
    })
    assert.match(away.err, /No running Gristmill was found at http:\/\/127\.0\.0\.1:9/)
  })

  it('books credit once where no answer comes, and says how to go on', async () => {
    const seen: (string | undefined)[] = []
    let answers = 1
    const shaky = createServer((request, response) => {
      if (request.method === 'GET') {
        return response.end(
          JSON.stringify({ rows: [{ id: 'ten_1', name: 'Support' }], next: null }),
        )
      }
      seen.push(request.headers['idempotency-key'] as string | undefined)
      if (seen.length <= answers) return request.socket.destroy()
      const budget = { left: '5', limit: '5', spent: '0', reserved: '0', currency: 'USD' }
      return response.writeHead(201).end(JSON.stringify({ credit: {}, budget }))
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => shaky.on('listening', resolve))
    const { port } = shaky.address() as AddressInfo
    const url = `http://127.0.0.1:${port}`
    const words = ['credit', 'add', 'Support', '5', '--note', 'invoice 1', '--url', url]
    const done = await run(...words)
    assert.deepEqual([done.code, seen.length, new Set(seen).size], [0, 2, 1], done.err)
    assert.match(seen[0] ?? '', /^[\w-]{22}$/)
    answers = 99
    const lost = await run(...words, '--idempotency-key', 'payment-7')
    shaky.close()
    assert.equal(lost.code, 1)
    assert.match(lost.err, /is not known: repeat it with --idempotency-key payment-7/)
    assert.deepEqual(new Set(seen.slice(2)), new Set(['payment-7']))
  })

  it('never sends the local token to another server', async () => {
    let seen: unknown = 'nothing came'
    const other = createServer((request, response) => {
      seen = request.headers['x-gristmill-local']
      response.writeHead(404).end('nothing here')
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => other.on('listening', resolve))
    const { port } = other.address() as AddressInfo
    const { err } = await run('tenant', 'list', '--url', `http://127.0.0.1:${port}`)
    other.close()
    assert.equal(seen, undefined)
    assert.match(err, /not as Gristmill does/)
  })
})

describe('doctor', () => {
  it('finds a running server well, database and engine included', async () => {
    const { out } = await run('doctor', '--json')
    const findings = new Map(JSON.parse(out).map((one: Finding) => [one.what, one.state]))
    assert.equal(findings.get('server'), 'ok')
    assert.equal(findings.get('database'), 'ok')
    assert.ok(findings.has('engine'))
  })

  it('says what to fix where a start would fail, and ends with 1', async () => {
    const { port } = new URL(server.url)
    const elsewhere = { GRISTMILL_HOME: join(home, 'other'), GRISTMILL_PORT: port }
    const { code, out } = await cli(['doctor'], elsewhere)
    assert.equal(code, 1)
    assert.match(out, /^fail +port +127\.0\.0\.1:\d+ is in use.*\n +→ Choose another/m)
    assert.match(out, /^warn +server +None runs\./m)
  })

  it('tells a wrong key from a database that does not answer', async () => {
    const { code, out } = await run('doctor', '--api-key', 'gm-wrong', '--url', server.url)
    assert.equal(code, 1)
    assert.match(out, /^fail +access +.*key is not valid/im)
    assert.doesNotMatch(out, /^fail +database/m)
  })

  it('says that something else than Gristmill answers', async () => {
    const other = createServer((_, response) => response.end('<html>')).listen(0, '127.0.0.1')
    await new Promise((resolve) => other.on('listening', resolve))
    const { port } = other.address() as AddressInfo
    const { code, out } = await run('doctor', '--url', `http://127.0.0.1:${port}`)
    other.close()
    assert.equal(code, 1)
    assert.match(
      out,
      /^fail +server +http:\/\/127\.0\.0\.1:\d+ answers, but not as Gristmill does/m,
    )
  })

  it('names a wrong variable', async () => {
    const { code, out } = await cli(['doctor'], { ...environment, GRISTMILL_PORT: 'many' })
    assert.equal(code, 1)
    assert.match(out, /^fail +config .*GRISTMILL_PORT/m)
  })
})

describe('help', () => {
  it('has an example for every command', async () => {
    const seen = await helpOf([])
    assert.ok(seen > 25, `${seen} commands`)
  })

  /** Follows every command that the help of another one names; how many there are. */
  async function helpOf(path: string[]): Promise<number> {
    const { code, out } = await run(...path, '--help')
    assert.equal(code, 0)
    const [, listed = ''] = out.split(/^Commands:$/m)
    const names = [...listed.matchAll(/^ {2}([a-z-]+)/gm)].map(([, name = '']) => name)
    if (names.length === 0 && path.length > 0) {
      assert.match(out, /Examples?:\n {2}\$ gristmill /, path.join(' '))
      assert.ok(out.includes(`$ gristmill ${path.join(' ')}`), path.join(' '))
    }
    let sum = 1
    for (const name of names) sum += await helpOf([...path, name])
    return sum
  }

  it('knows its version', async () => {
    assert.match((await run('--version')).out, /^\d+\.\d+\.\d+\n$/)
  })
})

describe('start', () => {
  const running = {
    url: 'http://127.0.0.1:4400',
    adminLink: 'http://127.0.0.1:4400/first-run?token=abc',
    apiKey: 'sk-1',
    model: 'some-model',
    embeddingModel: null,
    toyModel: false,
    home,
  }
  const notes: string[] = []

  it('prints one line of JSON when it is ready, and stops at a signal', async () => {
    let closed = false
    const start: StartServer = async (_, { onProgress }) => {
      onProgress('Fetching the model from hub: 1 of 98 MB')
      const close = async () => {
        closed = true
      }
      return { ...running, notes, close }
    }
    const ended = cli(['start', '--json'], environment, start)
    const kept = setInterval(() => process.emit('SIGTERM'), 50)
    const { code, out, err } = await ended
    clearInterval(kept)
    assert.equal(code, 0)
    assert.ok(closed)
    assert.deepEqual(JSON.parse(out), { ...running, pid: process.pid })
    assert.match(err, /Fetching the model.*Stopping.*Stopped/s)
  })

  it('passes flags on over the environment', async () => {
    const seen: unknown[] = []
    const start: StartServer = async ({ port, engine, logLevel }) => {
      seen.push({ port, engine, logLevel })
      throw new Error('enough seen')
    }
    const variables = { ...environment, GRISTMILL_PORT: '5000' }
    await cli(['start', '--port', '6000', '--engine', 'none'], variables, start)
    assert.deepEqual(seen, [{ port: 6000, engine: 'none', logLevel: 'warn' }])
  })
})
