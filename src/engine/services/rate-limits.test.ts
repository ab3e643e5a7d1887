/** Rate limits in the words of every service that has some; the headers follow their documents. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rateReport } from './rate-limits.ts'

const NOW_MS = Date.UTC(2026, 10, 28, 12)
const at = (afterMs: number) => new Date(NOW_MS + afterMs).toISOString()
const report = (headers: Record<string, string>) => rateReport(200, headers, NOW_MS)

test('OpenAI tells what is left and in how long it is full again', () => {
  const headers = {
    'x-ratelimit-limit-requests': '60',
    'x-ratelimit-remaining-requests': '59',
    'x-ratelimit-reset-requests': '1s',
    'x-ratelimit-limit-tokens': '150000',
    'x-ratelimit-remaining-tokens': '149984',
    'x-ratelimit-reset-tokens': '6m0s',
  }
  assert.deepEqual(report(headers), {
    requests: { limit: 60, remaining: 59, fullInMs: 1000 },
    tokens: { limit: 150_000, remaining: 149_984, fullInMs: 360_000 },
    retryAfterMs: null,
  })
  const inMs = (reset: string) =>
    report({ ...headers, 'x-ratelimit-reset-requests': reset })?.requests?.fullInMs
  assert.deepEqual(['120ms', '1h2m3.5s', '7', ''].map(inMs), [120, 3_723_500, 7000, 60_000])
})

test('Anthropic tells the moment at which it is full again', () => {
  const told = report({
    'anthropic-ratelimit-requests-limit': '50',
    'anthropic-ratelimit-requests-remaining': '0',
    'anthropic-ratelimit-requests-reset': at(12_000),
    'anthropic-ratelimit-tokens-limit': '40000',
    'anthropic-ratelimit-tokens-remaining': '39000',
    'anthropic-ratelimit-tokens-reset': at(-1),
    'retry-after': '9',
  })
  assert.deepEqual(told, {
    requests: { limit: 50, remaining: 0, fullInMs: 12_000 },
    tokens: { limit: 40_000, remaining: 39_000, fullInMs: 0 },
    retryAfterMs: 9000,
  })
})

test('Mistral counts minutes, OpenRouter milliseconds since 1970', () => {
  const mistral = report({
    'x-ratelimit-limit-req-minute': '30',
    'x-ratelimit-remaining-req-minute': '12',
    'x-ratelimit-limit-tokens-minute': '500000',
    'x-ratelimit-remaining-tokens-minute': '499990',
  })
  assert.deepEqual(mistral?.requests, { limit: 30, remaining: 12, fullInMs: 60_000 })
  assert.equal(mistral?.tokens?.remaining, 499_990)
  const router = report({
    'x-ratelimit-limit': '20',
    'x-ratelimit-remaining': '3',
    'x-ratelimit-reset': String(NOW_MS + 30_000),
  })
  assert.deepEqual(router?.requests, { limit: 20, remaining: 3, fullInMs: 30_000 })
})

test('Retry-After comes in seconds, as a date, or finer', () => {
  assert.equal(report({ 'retry-after': '2' })?.retryAfterMs, 2000)
  assert.equal(report({ 'retry-after': '2', 'retry-after-ms': '1500' })?.retryAfterMs, 1500)
  const date = new Date(NOW_MS + 5000).toUTCString()
  assert.equal(report({ 'retry-after': date })?.retryAfterMs, 5000)
})

test('no headers and nonsense say nothing', () => {
  assert.equal(report({}), null)
  assert.equal(report({ 'retry-after': 'soon', 'x-ratelimit-limit': '0' }), null)
  assert.equal(report({ 'x-ratelimit-limit': '-5', 'x-ratelimit-remaining': 'x' }), null)
  const more = { 'x-ratelimit-limit': '5', 'x-ratelimit-remaining': '9', 'x-ratelimit-reset': '?' }
  assert.deepEqual(report(more)?.requests, { limit: 5, remaining: 5, fullInMs: 60_000 })
})
