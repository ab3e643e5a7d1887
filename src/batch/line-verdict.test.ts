import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ErrorCode, GristmillError } from '../base/index.ts'
import { ATTEMPTS_MAX, verdictOn } from './line-verdict.ts'

const customId = 'a "quoted" name'
const endpoint = '/v1/chat/completions'
const place = { batchId: 'batch_a', line: 7, customId, endpoint } as const
const usage = { inputTokens: 0, cachedTokens: 0, outputTokens: 0 }
const failed = (code: ErrorCode, retryAfterMs?: number) => {
  const options = retryAfterMs === undefined ? {} : { retryAfterMs }
  return { answer: null, error: new GristmillError(code, {}, options), usage }
}
const kindOf = (code: ErrorCode, attempt = 1) =>
  verdictOn(place, 'req_1', attempt, failed(code)).kind

test('an answer goes into the file as it came, but for line breaks between its fields', () => {
  const body = Buffer.from('{\n  "n": 12345678901234567890,\r\n  "text": "a\\nb"\n}')
  const answer = { status: 200, body }
  const counts = { inputTokens: 1, cachedTokens: 0, outputTokens: 2 }
  const verdict = verdictOn(place, 'req_1', 1, { answer, error: null, usage: counts })
  assert.ok(verdict.kind === 'ended')
  const { text, ...end } = verdict.end
  assert.deepEqual(end, { line: 7, outcome: 'completed', requestId: 'req_1', ...counts })
  assert.equal(text.includes('\n'), false)
  assert.match(text, /12345678901234567890/)
  const row = JSON.parse(text) as Record<string, unknown>
  assert.equal(row.id, 'batch_req_a_7')
  assert.equal(row.custom_id, 'a "quoted" name')
  assert.equal(row.error, null)
  assert.equal((row.response as { body: { text: string } }).body.text, 'a\nb')
})

test('its line stays one also for readers that know other line ends', () => {
  const said = 'one\u0085two\u2028three\u2029four'
  const body = Buffer.from(JSON.stringify({ said }))
  const named = { ...place, customId: said }
  const verdict = verdictOn(named, 'req_1', 1, {
    answer: { status: 200, body },
    error: null,
    usage,
  })
  assert.ok(verdict.kind === 'ended')
  assert.doesNotMatch(verdict.end.text, /[\u0085\u2028\u2029]/)
  const row = JSON.parse(verdict.end.text) as Record<string, unknown>
  assert.deepEqual(row.custom_id, said)
  assert.deepEqual((row.response as { body: unknown }).body, { said })
})

test('engines that fail are tried again, later each time, and not for ever', () => {
  let lastMs = 0
  for (let attempt = 1; attempt < ATTEMPTS_MAX; attempt++) {
    const verdict = verdictOn(place, 'req_1', attempt, failed('engine_failed'))
    assert.ok(verdict.kind === 'again' && verdict.counts && verdict.afterMs > lastMs)
    lastMs = verdict.afterMs
  }
  const last = verdictOn(place, 'req_1', ATTEMPTS_MAX, failed('engine_failed'))
  assert.ok(last.kind === 'ended' && last.end.outcome === 'failed')
  const { response } = JSON.parse(last.end.text) as {
    response: { status_code: number; body: { error: { code: string } } }
  }
  assert.equal(response.status_code, 502)
  assert.equal(response.body.error.code, 'engine_failed')
})

test('what is refused is told in the words of the line', () => {
  const messages = { ...place, endpoint: '/v1/messages' } as const
  const verdict = verdictOn(messages, 'req_1', 1, failed('context_length_exceeded'))
  assert.ok(verdict.kind === 'ended')
  const { response } = JSON.parse(verdict.end.text) as { response: { body: object } }
  assert.equal('type' in response.body && response.body.type, 'error')
})

test('refusals that are not the fault of the line are waited out, however often', () => {
  const passing: ErrorCode[] = [
    'ledger_unavailable',
    'no_healthy_engine',
    'shutting_down',
    'tokens_per_minute_exceeded',
    'key_revoked',
  ]
  for (const code of passing) {
    const verdict = verdictOn(place, 'req_1', 1, failed(code))
    assert.ok(verdict.kind === 'again' && !verdict.counts, code)
    assert.equal(kindOf(code, 1000), 'again', code)
  }
})

test('it waits as long as the refusal says', () => {
  const verdict = verdictOn(place, 'req_1', 1, failed('tokens_per_minute_exceeded', 42_000))
  assert.ok(verdict.kind === 'again')
  assert.equal(verdict.afterMs, 42_000)
})

test('what can never work is not tried again', () => {
  const codes: ErrorCode[] = [
    'requests_too_large_for_limit',
    'budget_too_small',
    'budget_unbounded',
    'model_retired',
    'no_target',
  ]
  for (const code of codes) assert.equal(kindOf(code), 'ended', code)
})

test('a budget is asked again every minute, or when it renews', () => {
  for (const [code, retryAfterMs, afterMs] of [
    ['budget_exceeded', 7_200_000, 60_000],
    ['budget_exceeded', 42_000, 42_000],
    ['budget_used_up', undefined, 60_000],
  ] as const) {
    const verdict = verdictOn(place, 'req_1', 1, failed(code, retryAfterMs))
    assert.deepEqual(verdict, { kind: 'again', afterMs, counts: false, isAside: true })
  }
})

test('a model that is not there is waited for until it is gone', () => {
  const missing = failed('model_not_found')
  const verdict = verdictOn(place, 'req_1', 1, missing)
  assert.ok(verdict.kind === 'again' && !verdict.counts)
  assert.equal(verdictOn(place, 'req_1', 1, missing, true).kind, 'ended')
})

test('an engine that does not know the model is tried again, and not for ever', () => {
  const body = Buffer.from('{"error":{"message":"The model mill does not exist."}}')
  const refused = { answer: { status: 404, body }, error: null, usage }
  const verdict = verdictOn(place, 'req_1', 1, refused)
  assert.ok(verdict.kind === 'again' && verdict.counts)
  const last = verdictOn(place, 'req_1', ATTEMPTS_MAX, refused)
  assert.ok(last.kind === 'ended' && last.end.outcome === 'failed')
})
