import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { createServer, type Server } from 'node:net'
import { after, before, beforeEach, describe, it } from 'node:test'
import { createLogger, FakeClock, systemClock, systemRandom } from '../base/index.ts'
import { until } from '../base/test-eventually.ts'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import { createTenancy, type Tenancy } from '../tenancy/index.ts'
import { sendAudit } from './audit-syslog.ts'

const actor = { name: 'user:anna@example.org', from: '192.0.2.7' }
const logger = createLogger('silent', 'test')
let database: TestDatabase
let tenancy: Tenancy

before(async () => {
  database = await openTestDatabase()
  tenancy = await createTenancy({ database, clock: systemClock, random: systemRandom, logger })
})
after(async () => {
  await tenancy.close()
  await database.close()
})
beforeEach(() => database.reset())

const note = (subject: string, detail: Record<string, unknown> = {}) =>
  tenancy.audit.record(actor, { action: 'test.note', subject, tenantId: null, detail })

/** Messages of a stream with octet counts before them. */
function framed(text: string): string[] {
  const messages: string[] = []
  for (let at = 0; at < text.length; ) {
    const space = text.indexOf(' ', at)
    const end = space + 1 + Number(text.slice(at, space))
    messages.push(text.slice(space + 1, end))
    at = end
  }
  return messages
}

function listenTcp(port = 0) {
  const texts: string[] = []
  const server = createServer((socket) => {
    const at = texts.push('') - 1
    socket.on('data', (bytes) => {
      texts[at] += bytes.toString()
    })
  })
  const opened = new Promise<Server>((resolve) =>
    server.listen(port, '127.0.0.1', () => resolve(server)),
  )
  return { opened, messages: () => texts.flatMap(framed), server }
}

const portOf = (server: Server) => (server.address() as { port: number }).port
const bodyOf = (message: string) => JSON.parse(message.slice(message.indexOf('{')))

describe('the audit log over syslog', () => {
  it('comes over TCP in RFC 5424, in its order, and goes on after the server was away', async () => {
    const clock = new FakeClock(systemClock.nowMs())
    const first = listenTcp()
    const port = portOf(await first.opened)
    await note('s1', { words: 'Grüße' })
    await note('s2')
    const target = { protocol: 'tcp', host: '127.0.0.1', port } as const
    const sending = sendAudit({ database, clock, logger, target })
    try {
      await until(() => first.messages().length === 2)
      const [message = ''] = first.messages()
      const time = '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z'
      assert.match(message, new RegExp(`^<109>1 ${time} \\S+ gristmill \\d+ test.note - \\{`))
      assert.match(message, /^[\x20-\x7e]+$/)
      const { seq, hash, subject, detail } = bodyOf(message)
      assert.deepEqual([seq, subject, detail], [1, 's1', { words: 'Grüße' }])
      assert.match(hash, /^[0-9a-f]{64}$/)
      await new Promise((resolve) => first.server.close(resolve))
      await note('s3')
      clock.advance(1000)
      const second = listenTcp(port)
      await second.opened
      await until(() => {
        clock.advance(1000)
        return second.messages().length === 1
      })
      assert.equal(bodyOf(second.messages()[0] ?? '').subject, 's3')
      await new Promise((resolve) => second.server.close(resolve))
    } finally {
      await sending.stop()
    }
  })

  it('comes over UDP, without what changed where that is too large', async () => {
    const socket = createSocket('udp4')
    const messages: string[] = []
    socket.on('message', (bytes) => messages.push(bytes.toString()))
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
    const target = { protocol: 'udp', host: '127.0.0.1', port: socket.address().port } as const
    await note('s1', { large: 'x'.repeat(20_000) })
    const clock = new FakeClock(systemClock.nowMs())
    const sending = sendAudit({ database, clock, logger, target })
    try {
      await until(() => messages.length === 1)
      const { subject, detail } = bodyOf(messages[0] ?? '')
      assert.deepEqual([subject, detail], ['s1', { left: 'too large' }])
    } finally {
      await sending.stop()
      socket.close()
    }
  })
})
