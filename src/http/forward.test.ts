import assert from 'node:assert/strict'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { clientAddress } from './client-address.ts'
import { forwarded } from './forward.ts'

interface Echo {
  method: string
  url: string
  headers: Record<string, string>
  body: string
}

async function serve(listener: RequestListener): Promise<{ server: Server; url: string }> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

describe('what only the gateway knows that schedules', () => {
  let elsewhere: string | undefined
  let holder: Awaited<ReturnType<typeof serve>>
  let follower: Awaited<ReturnType<typeof serve>>

  before(async () => {
    holder = await serve((request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', (text: string) => {
        body += text
      })
      request.on('end', () => {
        const { method, url, headers } = request
        response.writeHead(201, { 'content-type': 'application/json', 'x-of': 'holder' })
        response.end(JSON.stringify({ method, url, headers, body }))
      })
    })
    const peers = {
      upgrade: () => false,
      get elsewhere() {
        return elsewhere
      },
    }
    const options = { peers, address: clientAddress([]) }
    follower = await serve((request, response) => {
      const failed = () => response.writeHead(503).end()
      if (!forwarded(options, request, response, failed)) response.writeHead(204).end()
    })
  })

  after(() => {
    holder.server.close()
    follower.server.close()
  })

  it('is asked there, with where the client came from', async () => {
    elsewhere = holder.url
    const answer = await fetch(`${follower.url}/api/engines/e1/drain?x=1`, {
      method: 'POST',
      body: 'a body',
      headers: { authorization: 'Bearer gm-key', 'x-forwarded-for': '10.0.0.9' },
    })
    assert.equal(answer.status, 201)
    assert.equal(answer.headers.get('x-of'), 'holder')
    const { method, url, headers, body } = (await answer.json()) as Echo
    assert.deepEqual(
      { method, url, body },
      { method: 'POST', url: '/api/engines/e1/drain?x=1', body: 'a body' },
    )
    assert.equal(headers.authorization, 'Bearer gm-key')
    // So it is never taken for one of the holder's own machine.
    assert.equal(headers['x-forwarded-for'], '10.0.0.9, 127.0.0.1')
  })

  it('is answered here where this gateway schedules, or it was passed on already', async () => {
    elsewhere = undefined
    assert.equal((await fetch(`${follower.url}/api/queue`)).status, 204)
    elsewhere = holder.url
    const headers = { 'x-gristmill-forwarded': '1' }
    assert.equal((await fetch(`${follower.url}/api/queue`, { headers })).status, 204)
    assert.equal((await fetch(`${follower.url}/api/queues`)).status, 204)
    assert.equal((await fetch(`${follower.url}/api/tenants`)).status, 204)
    for (const path of ['/v1/queue?limit=3', '/api/plan', '/api/plan/what-if']) {
      assert.equal((await fetch(`${follower.url}${path}`)).status, 201, path)
    }
  })

  it('is answered here to the command line of this machine', async () => {
    const headers = { 'x-gristmill-local': 'a token' }
    assert.equal((await fetch(`${follower.url}/api/queue`, { headers })).status, 204)
  })

  it('is refused where that gateway cannot be reached', async () => {
    const gone = await serve(() => {})
    elsewhere = gone.url
    await new Promise((resolve) => gone.server.close(resolve))
    assert.equal((await fetch(`${follower.url}/api/queue`)).status, 503)
  })
})
