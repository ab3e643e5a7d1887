import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { after, afterEach, before, describe, it } from 'node:test'
import { createParser } from 'eventsource-parser'
import { createLogger, FakeClock, systemClock } from '../base/index.ts'
import { eventually } from '../base/test-eventually.ts'
import type { FloorView } from './contract.ts'
import { LiveFeed } from './live-feed.ts'
import { openTestServer, type TestServer } from './test-server.ts'
import { engine, floor, floorTenant, standIns } from './test-services.ts'

const password = 'correct horse battery'
let server: TestServer
let view: FloorView
let computed = 0
const open: AbortController[] = []

before(async () => {
  const source = () => {
    computed++
    return view
  }
  view = floor()
  server = await openTestServer(standIns({ floor: source }))
})
after(() => server.close())
afterEach(() => {
  for (const controller of open.splice(0)) controller.abort()
})

/** A response that counts what is written to it. */
class Stream extends EventEmitter {
  written = 0
  ended = false
  destroyed = false
  closed = false
  writableNeedDrain = false

  writeHead(): void {}

  write(): boolean {
    this.written++
    return true
  }

  end(): void {
    this.ended = true
    this.emit('close')
  }

  destroy(): void {
    this.destroyed = true
    this.emit('close')
  }
}

async function watch(headers: Record<string, string>) {
  const controller = new AbortController()
  open.push(controller)
  const response = await fetch(`${server.url}/api/live`, { headers, signal: controller.signal })
  const frames: FloorView[] = []
  const parser = createParser({
    onEvent: ({ event, data }) => {
      assert.equal(event, 'floor')
      frames.push(JSON.parse(data))
    },
  })
  const text = response.body?.pipeThrough(new TextDecoderStream())
  const read = async (count: number) => {
    const reader = text?.getReader()
    while (frames.length < count) {
      const part = await reader?.read()
      if (part?.done) break
      parser.feed(part?.value ?? '')
    }
    reader?.releaseLock()
    return frames
  }
  return { status: response.status, headers: response.headers, read, controller }
}

const local = { 'x-gristmill-local': 'a'.repeat(64) }

async function signIn(role: string, tenantIds: string[]) {
  const email = `${role}-${tenantIds.length}@example.org`
  const body = { name: role, email, role, tenantIds }
  const invited = (await server.ask('POST', '/api/users', { local: true, body })).json
  const token = new URL(invited.link).searchParams.get('token')
  const answer = await server.ask('POST', '/api/link', { body: { token, password } })
  return { id: invited.id, cookie: answer.headers.getSetCookie()[0]?.split(';')[0] ?? '' }
}

describe('the live mill floor', () => {
  it('comes at once and then again and again, computed once for all who watch', async () => {
    const [one, two] = [await watch(local), await watch(local)]
    assert.equal(one.headers.get('content-type'), 'text/event-stream')
    assert.equal(one.headers.get('cache-control'), 'no-store')
    computed = 0
    const [a, b] = await Promise.all([one.read(4), two.read(4)])
    assert.deepEqual(a[3], view)
    assert.ok(b.length >= 4)
    assert.ok(computed <= 5, `computed ${computed} times for 8 frames`)
  })

  it('stops being computed when nobody watches', async () => {
    const one = await watch(local)
    await one.read(1)
    one.controller.abort()
    await eventually('nothing is computed for a while', async () => {
      const before = computed
      await systemClock.sleep(600)
      return computed === before
    })
  })

  it('shows a member other tenants only as one total', async () => {
    const mine = (await server.ask('POST', '/api/tenants', { local: true, body: { name: 'Mine' } }))
      .json.id as string
    const slot = { requestId: 'req_9', serviceClass: 'standard' as const, outputTokens: 3 }
    const rest = { outputTokensMax: 9, express: false, state: 'streaming' as const }
    view = floor({
      tenants: [
        floorTenant({ id: mine, name: 'Mine' }),
        floorTenant({ id: 'ten_secret1', name: 'Rival', waiting: 5 }),
        floorTenant({ id: 'ten_secret2', name: 'Competitor', waiting: 7 }),
      ],
      engines: [
        {
          ...engine,
          model: 'toy',
          reserve: 0,
          reserveReason: 'None is needed.',
          lastChange: 'Calibrated.',
          slots: [
            { ...slot, ...rest, tenantId: mine },
            { ...slot, ...rest, tenantId: 'ten_secret1', requestId: 'req_secret' },
          ],
        },
      ],
    })
    const { cookie } = await signIn('member', [mine])
    const [seen] = await (await watch({ cookie })).read(1)
    const text = JSON.stringify(seen)
    for (const secret of ['secret', 'Rival', 'Competitor'])
      assert.ok(!text.includes(secret), secret)
    assert.equal(seen?.tenants.length, 2)
    assert.equal(seen?.tenants[1]?.waiting, 12)
    assert.equal(seen?.tenants[0]?.name, 'Mine')
    const viewer = await signIn('viewer', [])
    const [all] = await (await watch({ cookie: viewer.cookie })).read(1)
    assert.equal(all?.tenants.length, 3)
    view = floor()
  })

  it('skips frames for a watcher that does not read, and lets go of it after a while', () => {
    const clock = new FakeClock()
    const logger = createLogger('silent', 'test')
    const feed = new LiveFeed({ floor: () => view, clock, logger })
    const [slow, quick] = [new Stream(), new Stream()]
    for (const stream of [slow, quick]) {
      feed.add(stream as unknown as ServerResponse, 'everything', async () => 'everything')
    }
    slow.writableNeedDrain = true
    const before = slow.written
    clock.advance(5000)
    assert.equal(slow.written, before)
    assert.ok(quick.written >= 20)
    slow.writableNeedDrain = false
    clock.advance(250)
    assert.equal(slow.written, before + 1)
    slow.writableNeedDrain = true
    clock.advance(31_000)
    assert.ok(slow.destroyed && !quick.destroyed)
    assert.equal(feed.watching, 1)
    feed.close()
  })

  it('ends for somebody who may no longer watch', async () => {
    const clock = new FakeClock()
    const logger = createLogger('silent', 'test')
    const feed = new LiveFeed({ floor: () => view, clock, logger })
    const [removed, staying] = [new Stream(), new Stream()]
    feed.add(removed as unknown as ServerResponse, 'everything', async () => null)
    feed.add(staying as unknown as ServerResponse, 'everything', async () => {
      throw new Error('the database is away')
    })
    clock.advance(10_000)
    await systemClock.sleep(1)
    assert.ok(removed.ended && !staying.ended)
    feed.close()
  })

  it('writes no more to somebody who may no longer watch and does not read either', async (t) => {
    const clock = new FakeClock()
    const name = 'M'.repeat(1_000_000)
    const large = floor({ tenants: [floorTenant({ name })] })
    const feed = new LiveFeed({ floor: () => large, clock, logger: createLogger('silent', 'test') })
    const failures: unknown[] = []
    const response = new Promise<ServerResponse>((resolve) => {
      const watched = createServer((_, answer) => {
        answer.on('error', (error) => failures.push(error))
        feed.add(answer, 'everything', async () => null)
        resolve(answer)
      }).listen(0, '127.0.0.1', () => {
        const { port } = watched.address() as AddressInfo
        const client = connect(port, '127.0.0.1', () =>
          client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
        )
        t.after(() => {
          client.destroy()
          watched.close()
        })
      })
    })
    const answer = await response
    while (!answer.writableNeedDrain) {
      clock.advance(250)
      await systemClock.sleep(1)
    }
    for (let asked = 0; asked < 50; asked++) {
      clock.advance(250)
      await systemClock.sleep(1)
    }
    assert.ok(answer.writableEnded && !answer.closed)
    assert.deepEqual([feed.watching, failures], [0, []])
  })

  it('takes nobody in who has gone while it was found out who it is', () => {
    const logger = createLogger('silent', 'test')
    const feed = new LiveFeed({ floor: () => view, clock: new FakeClock(), logger })
    const gone = new Stream()
    gone.closed = true
    feed.add(gone as unknown as ServerResponse, 'everything', async () => 'everything')
    assert.deepEqual([feed.watching, gone.written], [0, 0])
  })

  it('refuses whoever may not watch', async () => {
    assert.equal((await watch({})).status, 401)
    const wrong = await server.ask('POST', '/api/live', { local: true })
    assert.equal(wrong.status, 405)
  })
})
