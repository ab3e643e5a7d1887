import assert from 'node:assert/strict'
import { lookup } from 'node:dns'
import { createServer, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { after, before, beforeEach, describe, it } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import OpenAI from 'openai'
import { createLogger, FakeClock, seededRandom, systemRandom } from '../base/index.ts'
import { until } from '../base/test-eventually.ts'
import { OutboundAddresses, type Resolve } from '../host/index.ts'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import { WebhookSender, WebhookStore } from './index.ts'
import { hooksCertificate, hooksKey } from './test-certificate.ts'

const logger = createLogger('silent', 'test')
const HOUR_MS = 3_600_000

interface Received {
  headers: Record<string, string>
  body: string
}

describe('webhooks', () => {
  let database: TestDatabase
  let receiver: Server
  let url: string
  let clock: FakeClock
  let received: Received[]
  let status: number

  before(async () => {
    database = await openTestDatabase()
    receiver = createServer(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += String(chunk)
      received.push({ headers: request.headers as Record<string, string>, body })
      response.writeHead(status, { location: `${url}/elsewhere` }).end('thank you')
    })
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`
  })
  after(async () => {
    receiver.closeAllConnections()
    receiver.close()
    await database.close()
  })
  beforeEach(async () => {
    await database.reset()
    clock = new FakeClock()
    received = []
    status = 200
  })

  /** As one gateway has it; sends by hand only. */
  async function gateway(allowed = ['127.0.0.1'], keySeed = 1) {
    const resolve: Resolve = (hostname, options, done) =>
      lookup(hostname === 'hooks.test' ? '127.0.0.1' : hostname, options, done)
    const targets = new OutboundAddresses(allowed, resolve)
    const masterKey = seededRandom(keySeed).bytes(32)
    const base = { database, clock, random: systemRandom, logger, masterKey, targets }
    const store = new WebhookStore(base)
    const sender = new WebhookSender({ ...base, store })
    await sender.close()
    return { store, sender }
  }
  const tell = (store: WebhookStore, tenantId = 'ten_1') =>
    database.transaction((sql) =>
      store.enqueue(sql, tenantId, 'batch.completed', { id: 'batch_1' }),
    )

  it('tell what happened, signed so that OpenAI’s client believes it', async () => {
    const { store, sender } = await gateway()
    const { secret } = await store.set('ten_1', url)
    await tell(store)
    assert.equal(await sender.sendDue(), 1)
    const [{ headers, body } = { headers: {}, body: '' }] = received
    const client = new OpenAI({ apiKey: 'none', baseURL: 'http://127.0.0.1/' })
    const tolerance = 10 ** 10
    const event = await client.webhooks.unwrap(body, headers, secret, tolerance)
    assert.equal(event.type, 'batch.completed')
    assert.deepEqual(event.data, { id: 'batch_1' })
    assert.equal(headers['webhook-id'], event.id)
    const forged = body.replace('batch_1', 'batch_2')
    await assert.rejects(client.webhooks.unwrap(forged, headers, secret, tolerance))
    const [delivery] = (await store.get('ten_1')).deliveries
    assert.equal(delivery?.state, 'delivered')
  })

  it('are not sent again once they were acknowledged, nor by a second gateway meanwhile', async () => {
    const one = await gateway()
    const two = await gateway()
    await one.store.set('ten_1', url)
    await tell(one.store)
    await Promise.all([one.sender.sendDue(), two.sender.sendDue()])
    clock.advance(24 * HOUR_MS)
    await two.sender.sendDue()
    assert.equal(received.length, 1)
  })

  it('of a tenant go out one after the other, whichever gateway sends them', async () => {
    const [one, two] = [await gateway(), await gateway()]
    await one.store.set('ten_1', url)
    await one.store.set('ten_2', url)
    await tell(one.store)
    clock.advance(1)
    await tell(one.store)
    const [first] = await one.store.claim(10, 60_000, [])
    assert.equal((await two.store.claim(10, 60_000, [])).length, 0)
    await tell(one.store, 'ten_2')
    const others = await two.store.claim(10, 60_000, [])
    assert.deepEqual([others.length, others[0]?.tenantId], [1, 'ten_2'])
    await one.store.failed(first?.id ?? '', 'it is away', new Date(clock.nowMs() + HOUR_MS))
    const [second] = await two.store.claim(10, 60_000, [])
    assert.ok(second && first && second.id > first.id)
    // Its gateway was killed.
    clock.advance(60_001)
    assert.equal((await one.store.claim(10, 60_000, [])).length, 2)
  })

  it('are sent again after growing pauses, over a restart, until they are acknowledged', async () => {
    const first = await gateway()
    await first.store.set('ten_1', url)
    status = 500
    await tell(first.store)
    await first.sender.sendDue()
    assert.equal(await first.sender.sendDue(), 0)
    clock.advance(10_000)
    const restarted = await gateway()
    status = 204
    assert.equal(await restarted.sender.sendDue(), 1)
    const ids = received.map(({ headers }) => headers['webhook-id'])
    assert.equal(ids.length, 2)
    assert.equal(ids[0], ids[1])
    const [delivery] = (await restarted.store.get('ten_1')).deliveries
    assert.equal(delivery?.state, 'delivered')
    assert.equal(delivery?.attempts, 2)
  })

  it('are given up in the end, with the reason', async () => {
    const { store, sender } = await gateway()
    await store.set('ten_1', url)
    status = 302
    await tell(store)
    for (let i = 0; i < 20; i++) {
      await sender.sendDue()
      clock.advance(8 * HOUR_MS)
    }
    assert.equal(received.length, 7)
    assert.ok(received.every(({ headers }) => headers['content-type'] === 'application/json'))
    const [delivery] = (await store.get('ten_1')).deliveries
    assert.equal(delivery?.state, 'failed')
    assert.equal(delivery?.reason, 'it answered with 302')
  })

  it('go nowhere private that the operator has not named', async () => {
    const { store, sender } = await gateway([])
    await assert.rejects(store.set('ten_1', url), { code: 'invalid_value' })
    await assert.rejects(store.set('ten_1', 'https://127.0.0.1/'), { code: 'invalid_value' })
    // A name passes when it is set; where it leads to is seen when it is told.
    await store.set('ten_1', `https://localhost:${new URL(url).port}/hook`)
    await tell(store)
    await sender.sendDue()
    assert.equal(received.length, 0)
    const [delivery] = (await store.get('ten_1')).deliveries
    assert.match(delivery?.reason ?? '', /not a public address/)
  })

  it('are not held up by receivers that do not answer', async () => {
    const { store, sender } = await gateway()
    const silent = createServer(() => undefined)
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const silentUrl = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/`
    await store.set('ten_slow', silentUrl)
    await store.set('ten_1', url)
    for (let i = 0; i < 20; i++) await tell(store, 'ten_slow')
    clock.advance(1)
    for (let i = 0; i < 20; i++) await tell(store)
    const sending = sender.sendDue()
    await until(() => received.length === 20)
    silent.closeAllConnections()
    silent.close()
    await sending
    const states = async (tenantId: string) =>
      new Set((await store.get(tenantId)).deliveries.map(({ state }) => state))
    assert.deepEqual(await states('ten_1'), new Set(['delivered']))
    assert.deepEqual(await states('ten_slow'), new Set(['due']))
  })

  it('are not held up by a secret that was sealed with another content key', async () => {
    const before = await gateway()
    await before.store.set('ten_old', url)
    await tell(before.store, 'ten_old')
    const { store, sender } = await gateway(undefined, 2)
    await store.set('ten_1', url)
    await tell(store)
    await sender.sendDue()
    assert.equal(received.length, 1)
    const [delivery] = (await store.get('ten_old')).deliveries
    assert.match(delivery?.reason ?? '', /another content key/)
    assert.equal((await store.get('ten_1')).deliveries[0]?.state, 'delivered')
  })

  it('go over HTTPS to a receiver whose certificate is trusted, and to no other', async () => {
    const tls = { key: hooksKey, cert: hooksCertificate }
    const secure = createSecureServer(tls, (request, response) => {
      request.resume().on('end', () => response.end())
      received.push({ headers: {}, body: request.headers.host ?? '' })
    })
    await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve))
    const { port } = secure.address() as AddressInfo
    const { store, sender } = await gateway()
    const delivery = async () => (await store.get('ten_1')).deliveries[0]
    await store.set('ten_1', `https://hooks.test:${port}/`)
    await tell(store)
    await sender.sendDue()
    assert.match((await delivery())?.reason ?? '', /certificate/)
    assert.equal(received.length, 0)
    const trusted = getCACertificates()
    setDefaultCACertificates([...trusted, hooksCertificate])
    try {
      clock.advance(10_000)
      await sender.sendDue()
    } finally {
      setDefaultCACertificates(trusted)
      secure.closeAllConnections()
      secure.close()
    }
    assert.equal((await delivery())?.state, 'delivered')
    assert.deepEqual(
      received.map(({ body }) => body),
      [`hooks.test:${port}`],
    )
  })

  it('are for tenants that have one, and end with it', async () => {
    const { store, sender } = await gateway()
    await store.set('ten_1', url)
    await tell(store, 'ten_2')
    assert.equal(await sender.sendDue(), 0)
    await tell(store)
    await store.remove('ten_1')
    assert.equal(await sender.sendDue(), 0)
    await assert.rejects(store.get('ten_1'), { code: 'not_found' })
  })

  it('exist exactly where the change that they tell of does', async () => {
    const { store, sender } = await gateway()
    await store.set('ten_1', url)
    const undone = database.transaction(async (sql) => {
      await store.enqueue(sql, 'ten_1', 'batch.failed', { id: 'batch_1' })
      throw new Error('undone')
    })
    await assert.rejects(undone, /undone/)
    assert.equal(await sender.sendDue(), 0)
  })

  it('keep their secret sealed', async () => {
    const { store } = await gateway()
    const { secret } = await store.set('ten_1', url)
    const [row] = await database.sql<{ sealed: Buffer }[]>`
      select sealed_secret as sealed from webhooks`
    const bytes = Buffer.from(secret.replace('whsec_', ''), 'base64')
    assert.equal(bytes.length, 32)
    assert.equal(row?.sealed.includes(bytes), false)
  })
})
