import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import { systemClock } from '../base/index.ts'
import { openTestServer } from './test-server.ts'
import { standIns } from './test-services.ts'

const actor = { name: 'system', from: 'local' }

describe('the HTTP server', () => {
  it('says which port is taken instead of crashing', async () => {
    const server = await openTestServer()
    const port = Number(new URL(server.url).port)
    try {
      await assert.rejects(openTestServer({ port }), { code: 'port_in_use' })
    } finally {
      await server.close()
    }
  })

  it('finishes what runs when it closes, and takes nothing new', async () => {
    const begun = Promise.withResolvers<void>()
    const finish = Promise.withResolvers<void>()
    const gateway = {
      handle: async (_request: unknown, response: import('node:http').ServerResponse) => {
        response.write('first ')
        begun.resolve()
        await finish.promise
        response.end('last')
      },
    }
    const server = await openTestServer(standIns({ gateway }))
    const tenant = await server.tenancy.tenants.create({ name: 'Support' }, actor)
    const { secret: key } = await server.tenancy.keys.create(tenant.id, {}, actor)
    const running = server.ask('GET', '/v1/models', { key })
    await begun.promise
    // What has ended leaves nothing to wait for.
    const closed = server.http.close(3_600_000)
    await assert.rejects(server.ask('GET', '/livez'))
    finish.resolve()
    assert.equal((await running).text, 'first last')
    await closed
    await server.close()
  })

  it('lets a slow client take the rest of an answer that has ended', async () => {
    const whole = 'x'.repeat(32 * 2 ** 20)
    const ended = Promise.withResolvers<void>()
    const gateway = {
      handle: (_request: unknown, response: import('node:http').ServerResponse) => {
        response.end(`${whole}last`)
        ended.resolve()
      },
    }
    const server = await openTestServer(standIns({ gateway }))
    const tenant = await server.tenancy.tenants.create({ name: 'Support' }, actor)
    const { secret: key } = await server.tenancy.keys.create(tenant.id, {}, actor)
    const client = connect(Number(new URL(server.url).port), '127.0.0.1')
    client.pause()
    client.write(`GET /v1/models HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${key}\r\n\r\n`)
    await ended.promise
    const closed = server.http.close(3_600_000)
    let [length, tail] = [0, '']
    client.on('data', (bytes) => {
      length += bytes.length
      tail = (tail + bytes.toString('latin1')).slice(-4)
    })
    client.resume()
    await once(client, 'close')
    assert.deepEqual([tail, length > whole.length], ['last', true])
    await closed
    await server.close()
  })

  it('cuts what does not end within the grace', async () => {
    const begun = Promise.withResolvers<void>()
    const gateway = {
      handle: (_request: unknown, response: import('node:http').ServerResponse) => {
        response.write('for ever')
        begun.resolve()
      },
    }
    const server = await openTestServer(standIns({ gateway }))
    const tenant = await server.tenancy.tenants.create({ name: 'Support' }, actor)
    const { secret: key } = await server.tenancy.keys.create(tenant.id, {}, actor)
    const running = server.ask('GET', '/v1/models', { key })
    const failed = assert.rejects(running)
    await begun.promise
    await server.close()
    await failed
  })

  it('answers a gateway that fails with an error body, and cuts a stream it had begun', async () => {
    const gateway = {
      handle: async (
        { headers }: { headers: Record<string, unknown> },
        response: import('node:http').ServerResponse,
      ) => {
        if (headers['x-late']) response.write('some text')
        await systemClock.sleep(1)
        throw new Error('a secret detail')
      },
    }
    const server = await openTestServer(standIns({ gateway }))
    const tenant = await server.tenancy.tenants.create({ name: 'Support' }, actor)
    const { secret: key } = await server.tenancy.keys.create(tenant.id, {}, actor)
    const answer = await server.ask('GET', '/v1/models', { key })
    assert.equal(answer.status, 500)
    assert.equal(answer.json.error.code, 'internal_error')
    assert.ok(!answer.text.includes('secret'))
    const late = server.ask('GET', '/v1/models', { key, headers: { 'x-late': '1' } })
    await assert.rejects(late)
    await server.close()
  })

  it('does not let a half-sent request keep a connection for ever', async () => {
    const server = await openTestServer()
    const { port } = new URL(server.url)
    const socket = connect(Number(port), '127.0.0.1')
    socket.write('GET /livez HTTP/1.1\r\nhost: x\r\n')
    const gone = new Promise((resolve) => socket.once('close', resolve))
    await systemClock.sleep(20)
    await server.close()
    await gone
  })
})
