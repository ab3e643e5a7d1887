import assert from 'node:assert/strict'
import { test } from 'node:test'
import { askerOf, SESSION_HEADERS, sessionIdOf } from './session-id.ts'

test('the most specific header names the session, then the others, then the body', () => {
  const all = Object.fromEntries(SESSION_HEADERS.map((name) => [name, name]))
  for (const name of SESSION_HEADERS) {
    assert.equal(sessionIdOf(all, 'body'), name)
    delete all[name]
  }
  assert.equal(sessionIdOf(all, 'body'), 'body')
  assert.equal(sessionIdOf(all, null), null)
})

test('what cannot be an identifier names nothing, and the next is taken', () => {
  for (const wrong of ['', 'x'.repeat(129), 'two words', 'n\u00fcll', 'a\0b']) {
    assert.equal(sessionIdOf({ 'session-id': wrong, 'x-session-id': 'good' }, null), 'good', wrong)
    assert.equal(sessionIdOf({}, wrong), null)
  }
})

test('the sessions of one person are not as many end users', () => {
  const told = (session: string, account: string) =>
    JSON.stringify({ device_id: 'd', account_uuid: account, session_id: session })
  assert.deepEqual(askerOf(told('s1', 'a')), { endUser: 'a', sessionId: 's1' })
  assert.deepEqual(askerOf(told('s2', '')), { endUser: 'd', sessionId: 's2' })
  assert.deepEqual(askerOf('user_d_account_a_session_s'), { endUser: 'a', sessionId: 's' })
  assert.deepEqual(askerOf('user_d_account__session_s'), { endUser: 'd', sessionId: 's' })
})

test('any other name is the end user as it stands', () => {
  for (const name of ['anna', '{anna', '{"name":"anna"}', '[]', 'user_anna']) {
    assert.deepEqual(askerOf(name), { endUser: name, sessionId: null })
  }
  assert.deepEqual(askerOf(''), { endUser: null, sessionId: null })
})

test('a name that is long on purpose is read as quickly as any', () => {
  // Processor time, which other programs do not make longer.
  const usOf = (piece: string) => {
    const name = `user_${piece.repeat(20_000)}`
    const before = process.cpuUsage()
    askerOf(name)
    return process.cpuUsage(before).user
  }
  const plainUs = Math.max(usOf('.account.'), usOf('.account.'))
  assert.ok(usOf('_account_') < 100 * (plainUs + 1000))
  const doubled = 'user_d_account__account_a_session__session_s'
  assert.deepEqual(askerOf(doubled), { endUser: '_account_a', sessionId: '_session_s' })
})
