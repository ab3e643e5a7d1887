/** What decides admission before a slot is asked for: body, class, end user, rates, engine body. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock, GristmillError, type Limits } from '../base/index.ts'
import type { Principal } from '../tenancy/index.ts'
import type { BoundName } from './answer-bound.ts'
import { type Endpoint, lowered, parseObject, readFields } from './canonical.ts'
import { CacheSalts, engineBody } from './engine-body.ts'
import { standingOf } from './standing.ts'
import { noLimits, testLimits, testPrincipal } from './test-gateway.ts'
import { estimateInput } from './token-estimate.ts'
import { TokenRates } from './token-rate.ts'

const readRequest = (endpoint: Endpoint, raw: Buffer, limits: Limits) =>
  readFields(endpoint, raw, parseObject(raw), limits)

const chat = (fields: object = {}) =>
  readRequest(
    '/v1/chat/completions',
    Buffer.from(
      JSON.stringify({ model: 'mill', messages: [{ role: 'user', content: 'Hi' }], ...fields }),
    ),
    testLimits,
  )

const tool = (name: string) => ({ type: 'function', function: { name, parameters: {} } })

const refusalOf = (run: () => unknown) => {
  try {
    run()
  } catch (error) {
    assert.ok(error instanceof GristmillError)
    return `${error.code} ${error.details.param ?? ''}`.trim()
  }
  return 'taken'
}

test('wrong bodies are refused with the field that is wrong', () => {
  const cases: [object, string][] = [
    [{ model: 3 }, 'invalid_value model'],
    [{ model: '' }, 'invalid_value model'],
    [{ messages: [] }, 'invalid_value messages'],
    [{ messages: ['hi'] }, 'invalid_value messages.0'],
    [{ stream: 'yes' }, 'invalid_value stream'],
    [{ max_tokens: 0 }, 'invalid_value max_tokens'],
    [{ max_tokens: 1e9 }, 'taken'],
    [{ max_completion_tokens: 1.5 }, 'invalid_value max_completion_tokens'],
    [{ n: 99 }, 'invalid_value n'],
    [{ best_of: 99 }, 'invalid_value best_of'],
    [{ user: 7 }, 'invalid_value user'],
    [{ store: 'yes' }, 'invalid_value store'],
    [{ metadata: 'team a' }, 'invalid_value metadata'],
    [{ metadata: ['team a'] }, 'invalid_value metadata'],
    [{ metadata: { team: 1 } }, 'invalid_value metadata.team'],
    [{ metadata: { team: 'a' }, store: true }, 'taken'],
    [{ tools: [tool('f'), tool('f')] }, 'invalid_value tools'],
    [{ tools: [tool('f'), tool('g'), {}, null, 7] }, 'taken'],
    [{ temperature: 'unknown to us' }, 'taken'],
    [{ max_tokens: null, n: null, stream: null, user: null }, 'taken'],
  ]
  for (const [fields, expected] of cases)
    assert.equal(
      refusalOf(() => chat(fields)),
      expected,
    )
  for (const text of ['', '[]', 'null', '{"model":', '\u0000']) {
    const body = Buffer.from(text)
    assert.equal(
      refusalOf(() => readRequest('/v1/completions', body, testLimits)),
      'invalid_json',
    )
  }
  const latin = Buffer.from([0x7b, 0xff, 0x7d])
  assert.equal(
    refusalOf(() => readRequest('/v1/completions', latin, testLimits)),
    'invalid_json',
  )
})

test('the class follows tier, header, key and policy', () => {
  const classOf = (
    tier: string | undefined,
    header?: string,
    policy: Partial<Principal['policy']> = {},
  ) => {
    const request = chat(tier === undefined ? {} : { service_tier: tier })
    const headers = header === undefined ? {} : { 'x-gristmill-class': header }
    const principal = testPrincipal('anna', { policy })
    const options = { limits: testLimits, endUserHeader: undefined }
    return standingOf(request, headers, principal, options).serviceClass
  }
  assert.equal(classOf(undefined), 'standard')
  assert.equal(classOf('auto', undefined, { defaultClass: 'flex' }), 'flex')
  assert.equal(classOf('scale', undefined, { defaultClass: 'priority' }), 'priority')
  assert.equal(classOf('default', undefined, { defaultClass: 'flex' }), 'standard')
  assert.equal(classOf('priority'), 'priority')
  assert.equal(classOf('batch'), 'batch')
  assert.equal(classOf('priority', 'flex'), 'flex', 'the header lowers')
  assert.equal(classOf('flex', 'priority'), 'flex', 'and never raises')
  assert.equal(classOf('priority', undefined, { classes: ['standard', 'flex'] }), 'standard')
  assert.equal(
    refusalOf(() => classOf('gold')),
    'invalid_value service_tier',
  )
  assert.equal(
    refusalOf(() => classOf('flex', 'gold')),
    'invalid_value x-gristmill-class',
  )
  assert.equal(
    refusalOf(() => classOf('flex', undefined, { classes: ['standard'] })),
    'forbidden',
  )
})

test('end users count only from keys that may name them', () => {
  const trusted = testPrincipal('app', { scopes: new Set(['inference', 'end_users'] as const) })
  const options = { limits: testLimits, endUserHeader: 'x-end-user' }
  const userOf = (fields: object, headers = {}, principal = trusted) =>
    standingOf(chat(fields), headers, principal, options).endUser
  assert.equal(userOf({ user: 'ben' }), 'ben')
  assert.equal(userOf({ user: 'ben', safety_identifier: 'x1' }), 'x1')
  assert.equal(userOf({ metadata: { user_id: 'cy' } }), 'cy')
  assert.equal(userOf({ user: 'ben' }, { 'x-end-user': 'dora' }), 'dora')
  assert.equal(userOf({ user: 'ben' }, { 'x-end-user': 'dora' }, testPrincipal('anna')), null)
  assert.equal(
    refusalOf(() => userOf({ user: 'x'.repeat(300) })),
    'invalid_value user',
  )
  assert.equal(
    refusalOf(() => userOf({ user: 'a\0' })),
    'invalid_value user',
  )
})

test('the shortest wait limit counts', () => {
  const principal = testPrincipal('anna', {
    policy: { tenantLimits: { ...noLimits, waitMsMax: 5000 } },
  })
  const options = { limits: testLimits, endUserHeader: undefined }
  const waitOf = (header?: string) =>
    standingOf(chat(), header ? { 'x-gristmill-max-wait-ms': header } : {}, principal, options)
      .waitMsMax
  assert.equal(waitOf(), 5000)
  assert.equal(waitOf('100'), 100)
  assert.equal(waitOf('9000'), 5000)
  assert.equal(
    refusalOf(() => waitOf('soon')),
    'invalid_value x-gristmill-max-wait-ms',
  )
})

const told = (outputTokensMax: number | null, boundName: BoundName = 'max_tokens') => ({
  outputTokensMax,
  boundName,
  salt: 'abc',
})

test('the body reaches the engine as it was written, with our fields last', () => {
  const text = '{ "model":"mill","seed":12345678901234567890,"messages":[{"role":"user"}] }\n'
  const request = readRequest('/v1/chat/completions', Buffer.from(text), testLimits)
  const grant = { rank: 3, takesPriority: true, takesCacheSalt: true, takesCacheOff: false }
  const body = engineBody(request, grant, told(100)).toString()
  const ours = ',"priority":3,"cache_salt":"abc","max_tokens":100}'
  assert.equal(body, text.trimEnd().replace(/}$/, ours))
  const bare = { rank: 3, takesPriority: false, takesCacheSalt: false, takesCacheOff: false }
  assert.equal(engineBody(request, bare, told(null)), request.raw)
})

test('a bound above the limit is lowered to it, whatever it is called', () => {
  const limits = { ...testLimits, outputTokensMax: 100 }
  for (const name of ['max_tokens', 'max_completion_tokens']) {
    const asked = lowered(chat({ [name]: 101 }), limits)
    assert.deepEqual([asked.outputTokensAsked, asked.outputTokensAtMost], [null, 100])
    assert.deepEqual(JSON.parse(asked.raw.toString()), asked.fields)
    assert.ok(!(name in asked.fields))
    const within = chat({ [name]: 100 })
    assert.equal(lowered(within, limits), within)
  }
})

test('the bound of an answer is told in the name that every engine knows', () => {
  const grant = { rank: 3, takesPriority: false, takesCacheSalt: false, takesCacheOff: false }
  const textOf = (fields: object, ours: number | null = null, boundName?: BoundName) =>
    engineBody(chat(fields), grant, told(ours, boundName)).toString()
  const cases: [object, number | null, number | undefined][] = [
    [{ max_tokens: 9 }, null, 9],
    [{ max_completion_tokens: 9 }, null, 9],
    [{ max_completion_tokens: 9, max_tokens: 5000 }, null, 9],
    [{ max_tokens: 9, n_predict: 5000 }, null, 9],
    [{ n_predict: 9 }, null, 9],
    [{ n_predict: null, max_completion_tokens: null }, 7, 7],
    [{ n_predict: null, max_completion_tokens: null }, null, undefined],
  ]
  for (const [fields, ours, tokens] of cases) {
    const { max_tokens, n_predict } = JSON.parse(textOf(fields, ours)) as Record<string, unknown>
    assert.deepEqual([max_tokens, n_predict], [tokens, undefined], JSON.stringify(fields))
    const newer = JSON.parse(textOf(fields, ours, 'max_completion_tokens')) as typeof fields
    const bounds = Object.entries(newer).filter(([name, value]) => /tok|pred/.test(name) && value)
    assert.deepEqual(bounds, tokens ? [['max_completion_tokens', tokens]] : [])
  }
  const asked = chat({ max_completion_tokens: 9 }).raw.toString()
  assert.equal(textOf({ max_completion_tokens: 9 }), asked.replace(/}$/, ',"max_tokens":9}'))
})

test("a client's own salt, priority and the like never reach the engine", () => {
  const request = chat({
    cache_salt: 'mine',
    priority: -100,
    vllm_xargs: {},
    max_tokens: null,
    stream: true,
    stream_options: { include_usage: false, other: 1 },
  })
  const grant = { rank: 5, takesPriority: true, takesCacheSalt: true, takesCacheOff: false }
  const sent = JSON.parse(engineBody(request, grant, told(10)).toString()) as object
  assert.deepEqual(sent, {
    model: 'mill',
    messages: [{ role: 'user', content: 'Hi' }],
    max_tokens: 10,
    stream: true,
    stream_options: { include_usage: true, other: 1 },
    priority: 5,
    cache_salt: 'abc',
  })
  const untaken = { rank: 5, takesPriority: false, takesCacheSalt: false, takesCacheOff: false }
  const text = engineBody(request, untaken, told(10)).toString()
  assert.equal(/cache_salt|priority/.test(text), false)
})

test('where a cache cannot be kept apart it is left out, whatever the client says', () => {
  const off = { rank: 5, takesPriority: false, takesCacheSalt: false, takesCacheOff: true }
  for (const fields of [{}, { cache_prompt: true, id_slot: 3 }]) {
    const text = engineBody(chat(fields), off, told(10)).toString()
    assert.match(text, /"cache_prompt":false/)
    assert.equal(/id_slot|true/.test(text), false)
  }
})

test('a slot is told with whether what it holds may be used, whatever the client says', () => {
  const off = { rank: 5, takesPriority: false, takesCacheSalt: false, takesCacheOff: true }
  for (const fields of [{}, { cache_prompt: true, id_slot: 0 }]) {
    for (const keeps of [true, false]) {
      const grant = { ...off, slot: { number: 3, keeps } }
      const sent = JSON.parse(engineBody(chat(fields), grant, told(10)).toString()) as object
      const { id_slot, cache_prompt } = sent as Record<string, unknown>
      assert.deepEqual([id_slot, cache_prompt], [3, keeps])
    }
  }
})

test('tenants have different salts that only the secret gives', () => {
  const salts = new CacheSalts(Buffer.alloc(32, 1))
  assert.match(salts.of('a'), /^[0-9a-f]{64}$/)
  assert.notEqual(salts.of('a'), salts.of('b'))
  assert.equal(salts.of('a'), new CacheSalts(Buffer.alloc(32, 1)).of('a'))
  assert.notEqual(salts.of('a'), new CacheSalts(Buffer.alloc(32, 2)).of('a'))
})

test('prompts are estimated by their bytes, tokens by their number', () => {
  assert.equal(estimateInput('x'.repeat(400)), 101)
  assert.equal(estimateInput([1, 2, 3]), 3)
  assert.equal(estimateInput(['aaaa', [1, 2]]), 4)
  assert.ok(
    chat({ tools: [{ type: 'function' }] }).estimatedInputTokens > chat().estimatedInputTokens,
  )
})

test('tokens per minute: charged at admission, corrected at the end, refused with the time to wait', () => {
  const clock = new FakeClock()
  const rates = new TokenRates(clock)
  const principal = testPrincipal('anna', {
    policy: { tenantLimits: { ...noLimits, tokensPerMinute: 6000 } },
  })
  const refused = (tokens: number) => {
    try {
      rates.charge(principal, 10, tokens)
    } catch (error) {
      return (error as GristmillError).retryAfterMs
    }
    return null
  }
  const charge = rates.charge(principal, 10, 5000)
  assert.equal(refused(2000), 10_000, '1,000 tokens are missing at 100 a second')
  rates.correct(charge, 3000)
  assert.equal(refused(2000), null)
  assert.equal(refused(2000), 10_000)
  clock.advance(10_000)
  assert.equal(refused(2000), null)
  clock.advance(60_000)
  assert.equal(refused(50_000), null, 'a full bucket lets the largest request in')
  assert.equal(
    refusalOf(() => rates.charge(principal, 7000, 7000)),
    'requests_too_large_for_limit',
  )
  assert.equal(
    refusalOf(() => rates.charge(testPrincipal('ben'), 1e9, 1e9)),
    'taken',
  )
})

test('tokens per minute: what a long answer owes is not forgotten while it runs, nor after', () => {
  const clock = new FakeClock()
  const rates = new TokenRates(clock)
  const principal = testPrincipal('anna', {
    policy: { keyLimits: { ...noLimits, tokensPerMinute: 1000 } },
  })
  const pass = (minutes: number) => {
    for (let i = 0; i < minutes; i++) {
      clock.advance(60_000)
      rates.forgetIdle()
    }
  }
  const ask = () => rates.charge(principal, 10, 300)
  const charge = ask()
  pass(4)
  assert.deepEqual(rates.levels(), [])
  // The minutes in which it ran have paid for a part.
  rates.correct(charge, 10_000)
  pass(4)
  assert.throws(ask, (error) => (error as GristmillError).retryAfterMs === 78_000)
  pass(2)
  ask()
})
