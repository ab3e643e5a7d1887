import assert from 'node:assert/strict'
import { test } from 'node:test'
import { beginningsOf } from './beginnings.ts'
import type { CanonicalRequest } from './canonical.ts'

const chat = (messages: object[], more: object = {}): CanonicalRequest =>
  ({
    endpoint: '/v1/chat/completions',
    fields: { messages, ...more },
  }) as unknown as CanonicalRequest

const say = (role: string, text: string) => ({ role, content: text })
const long = (word: string) => `${word} `.repeat(300)
const keys = (request: CanonicalRequest, tenant = 't') =>
  beginningsOf(request, tenant).map(({ key }) => key)

const first = [say('system', long('help')), say('user', long('why'))]

test('the next turn of a conversation begins with all of the turn before it', () => {
  const before = keys(chat(first))
  const next = keys(chat([...first, say('assistant', long('so')), say('user', 'And then?')]))
  assert.ok(before.length >= 4)
  assert.ok(next.length > before.length)
  assert.deepEqual(next.slice(0, before.length), before)
})

test('a prompt that differs anywhere shares what comes before that, and nothing after', () => {
  const before = keys(chat(first))
  const [system] = first as [object]
  const other = keys(chat([system, say('user', long('how'))]))
  const shared = before.filter((key, i) => key === other[i]).length
  assert.ok(shared > 0 && shared < before.length)
  assert.ok(before.slice(shared).every((key) => !other.includes(key)))
  assert.ok(keys(chat(first, { tools: [{ type: 'function' }] })).every((k) => !before.includes(k)))
})

test('tenants share nothing, however alike their prompts are', () => {
  const own = keys(chat(first), 'a')
  assert.ok(keys(chat(first), 'b').every((key) => !own.includes(key)))
})

test('where text is cut into messages is part of it, and how parts are told is not skipped', () => {
  const one = keys(chat([say('user', long('a') + long('b'))]))
  const two = keys(chat([say('user', long('a')), say('user', long('b'))]))
  assert.notDeepEqual(one, two)
  const parts = [{ type: 'text', text: long('a') }]
  assert.ok(keys(chat([{ role: 'user', content: parts }])).length > 0)
})

test('of prompts longer than what is looked at, those of one session have more in common', () => {
  const long = chat([say('user', 'x'.repeat(100_000))])
  const of = (sessionId: string | null) =>
    beginningsOf({ ...long, estimatedInputTokens: 25_000 }, 't', sessionId)
  assert.equal(of(null).length, 64)
  assert.deepEqual(of('a').slice(0, 64), of('b').slice(0, 64))
  assert.notEqual(of('a').at(-1)?.key, of('b').at(-1)?.key)
  assert.equal(of('a').at(-1)?.tokens, 25_000)
  assert.equal(beginningsOf(chat(first), 't', 'a').length, beginningsOf(chat(first), 't').length)
})

test('a role that is no text is no reason to throw', () => {
  assert.ok(keys(chat([{ role: { toString: '' }, content: long('why') }])).length > 0)
})

test('tokens grow by cuts, and very long prompts have a bounded number of them', () => {
  const cuts = beginningsOf(chat([say('user', 'x'.repeat(1_000_000))]), 't')
  assert.equal(cuts.length, 64)
  assert.deepEqual(
    cuts.map(({ tokens }) => tokens),
    cuts.map((_, i) => 128 * (i + 1)),
  )
  assert.equal(new Set(cuts.map(({ key }) => key)).size, 64)
  assert.ok(cuts.every(({ key }) => Number.isSafeInteger(key)))
})

test('completions go by their prompt, embeddings by nothing', () => {
  const of = (endpoint: string, fields: object) =>
    beginningsOf({ endpoint, fields } as CanonicalRequest, 't').length
  assert.equal(of('/v1/completions', { prompt: long('tell') }), 2)
  assert.equal(of('/v1/completions', { prompt: [1, 2, 3] }), 0)
  assert.equal(of('/v1/embeddings', { input: long('tell') }), 0)
})
