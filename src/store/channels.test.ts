import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Channels } from './channels.ts'
import type { Sql } from './connection.ts'

let channels: Channels
let states: string[]
let failures: unknown[]
let current: Sql | undefined
const session = { sql: () => current, fail: (reason: unknown) => failures.push(reason) }

beforeEach(() => {
  channels = new Channels()
  states = []
  failures = []
  current = undefined
})

const listen = (channel: string) =>
  channels.add(session, { channel, onPayload() {}, onState: (state) => states.push(state) })

/** A connection that remembers what it was told, each statement after `before`. */
function connection(before: () => Promise<void> = async () => {}) {
  const told: string[] = []
  const unsafe = async (statement: string) => {
    await before()
    told.push(statement)
  }
  return { told, sql: { unsafe } as unknown as Sql }
}

describe('a listener', () => {
  it('that comes while the connection is being made is listened for before it is up', async () => {
    const { told, sql } = connection(async () => {
      if (told.length === 0) await listen('late')
    })
    await channels.listenAll(sql)
    assert.ok(told.every((statement) => !statement.includes('late')))
    current = sql
    channels.up(session)
    assert.deepEqual(states, ['down'])
    await setImmediate()
    assert.match(told.at(-1) ?? '', /listen "late"/)
    assert.deepEqual(states, ['down', 'up'])
  })

  it('that comes while the server is silent is listened for when it speaks again', async () => {
    const { told, sql } = connection()
    current = sql
    channels.up(session)
    current = undefined
    assert.ok(channels.down())
    await listen('news')
    current = sql
    channels.up(session)
    await setImmediate()
    assert.match(told.at(-1) ?? '', /listen "news"/)
    assert.deepEqual(states, ['down', 'up'])
  })

  it('makes the session try again where the server does not take it', async () => {
    const { sql } = connection(() => Promise.reject(new Error('too slow')))
    await listen('news')
    current = sql
    channels.up(session)
    await setImmediate()
    assert.equal(failures.length, 1)
    assert.deepEqual(states, ['down'])
  })
})
