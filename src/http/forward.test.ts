import assert from 'node:assert/strict'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { clientAddress } from './client-address.ts'
import { forwarded, passedHome, repeatedBy } from './forward.ts'

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
      homesOf: () => [],
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

describe('what repeats a request', () => {
  const open: Server[] = []
  let homes: string[] = []
  let asker: string

  const home = async (listener: RequestListener) => {
    const { server, url } = await serve(listener)
    open.push(server)
    return url
  }
  const gone = async () => {
    const { server, url } = await serve(() => {})
    await new Promise((resolve) => server.close(resolve))
    return url
  }
  const peers = { upgrade: () => false, elsewhere: undefined, homesOf: () => homes }
  const options = { peers, address: clientAddress([]) }
  const ask = (changes: Record<string, string> = {}, path = '/v1/chat/completions') =>
    fetch(`${asker}${path}`, {
      method: 'POST',
      body: 'a body',
      headers: { 'idempotency-key': 'order-1', ...changes },
    })

  before(async () => {
    asker = await home(async (request, response) => {
      const key = repeatedBy(request, (request.url ?? '').split('?')[0] ?? '')
      const lost = () => response.writeHead(502).end()
      const isPassed =
        key !== undefined && (await passedHome(options, request, response, key, lost))
      if (isPassed) return
      request.setEncoding('utf8').on('data', (text: string) => response.write(`here: ${text}`))
      request.on('end', () => response.end())
    })
  })
  after(() => {
    for (const server of open) server.close()
  })

  it('is answered by the first gateway that can be reached of those that may know it', async () => {
    const known = await home((request, response) => {
      response.writeHead(200, { 'x-of': String(request.headers['idempotency-key']) })
      request.setEncoding('utf8').on('data', (text: string) => response.write(`known: ${text}`))
      request.on('end', () => response.end())
    })
    homes = [await gone(), known, await gone()]
    const answer = await ask()
    assert.equal(answer.headers.get('x-of'), 'order-1')
    assert.equal(await answer.text(), 'known: a body')
  })

  it('is answered here where none can be reached, or somebody has passed it on', async () => {
    homes = [await gone()]
    assert.equal(await (await ask()).text(), 'here: a body')
    homes = [await home((_, response) => response.end('known'))]
    assert.equal(await (await ask({ 'x-gristmill-forwarded': '1' })).text(), 'here: a body')
    assert.equal(await (await ask({}, '/v1/files')).text(), 'here: a body')
    assert.equal(await (await ask({}, '/v1/messages?beta=true')).text(), 'known')
  })

  it('asks nobody once its client has gone', async () => {
    let asked = 0
    homes = [await home(() => asked++)]
    const passed = Promise.withResolvers<boolean>()
    const leaves = new AbortController()
    const late = await home((request, response) => {
      response.on('close', () => {
        const lost = () => passed.reject(new Error('somebody was asked'))
        passedHome(options, request, response, 'order-3', lost).then(passed.resolve, passed.reject)
      })
      leaves.abort()
    })
    await assert.rejects(fetch(late, { signal: leaves.signal }))
    assert.deepEqual([await passed.promise, asked], [false, 0])
  })

  it('fails where the gateway that has it is lost, before the answer or in it', async () => {
    homes = [await home((request) => request.socket.destroy())]
    assert.equal((await ask()).status, 502)
    homes = [
      await home((request, response) => {
        response.write('a part')
        setTimeout(() => request.socket.destroy(), 10)
      }),
    ]
    const begun = await ask()
    assert.equal(begun.status, 200)
    await assert.rejects(begun.text())
  })

  it('takes the connection of a client that goes away along', async () => {
    const closed = Promise.withResolvers<void>()
    homes = [
      await home((_, response) => {
        response.on('close', () => closed.resolve())
        response.write('a part')
      }),
    ]
    const leaves = new AbortController()
    const headers = { 'idempotency-key': 'order-2' }
    const given = { method: 'POST', body: 'a body', headers, signal: leaves.signal }
    const answer = await fetch(`${asker}/v1/chat/completions`, given)
    assert.equal(answer.status, 200)
    leaves.abort()
    await closed.promise
  })
})
