/** Rate limits of rented services as capacity of the scheduler. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../base/index.ts'
import type { RateNews } from '../engine/index.ts'
import { arrivalOf } from './arrivals.ts'
import { QuotaControl } from './quota-control.ts'
import { Quotas } from './quotas.ts'
import { Scheduler } from './scheduler.ts'
import { type Dispatch, defaultSchedulerConfig } from './scheduler-types.ts'
import type { TicketRequest } from './types.ts'

type Level = { limit: number; remaining: number; fullInMs: number }

function news(
  requestId: string,
  given: { requests?: Level; tokens?: Level; retryAfterMs?: number },
  keyId = 'k1',
  keyIds = ['k1'],
): RateNews {
  const { requests = null, tokens = null, retryAfterMs = null } = given
  return { requestId, keyId, keyIds, report: { requests, tokens, retryAfterMs } }
}

const minute = (limit: number, remaining: number): Level => ({
  limit,
  remaining,
  fullInMs: ((limit - remaining) / limit) * 60_000,
})

test('nothing is limited before a service has said so', () => {
  const control = new QuotaControl()
  control.took('r1', 100)
  assert.equal(control.places(0), Number.POSITIVE_INFINITY)
  control.heard(0, { requestId: 'r1', keyId: 'k1', keyIds: ['k1'], report: null })
  assert.equal(control.places(0), Number.POSITIVE_INFINITY)
})

test('what was sent and not yet counted there is taken off, and limits fill up again', () => {
  const control = new QuotaControl()
  control.took('r1', 100)
  control.heard(0, news('r1', { requests: minute(60, 3) }))
  assert.equal(control.places(0), 3)
  control.took('r2', 100)
  control.took('r3', 100)
  assert.equal(control.places(0), 1)
  control.ended('r3')
  assert.equal(control.places(0), 2)
  // One a second comes back, and never more than the limit.
  assert.equal(control.places(4000), 6)
  control.ended('r2')
  assert.equal(control.places(600_000), 60)
})

test('tokens limit requests by what they need on average', () => {
  const control = new QuotaControl()
  control.took('r1', 1000)
  control.heard(0, news('r1', { tokens: minute(60_000, 4500) }))
  assert.equal(control.places(0), 4)
  control.took('r2', 1000)
  assert.equal(control.places(0), 3)
  assert.equal(control.places(1000), 4)
})

test('a request above the whole limit goes out alone once the limit is full', () => {
  const control = new QuotaControl()
  control.took('r1', 9000)
  control.heard(0, news('r1', { tokens: minute(6000, 1000) }))
  assert.equal(control.places(0), 0)
  assert.equal(control.places(60_000), 1)
  control.took('r2', 9000)
  assert.equal(control.places(60_000), 0)
})

test('a service that asks to be left alone is', () => {
  const control = new QuotaControl()
  control.took('r1', 1)
  control.heard(0, news('r1', { requests: minute(60, 60), retryAfterMs: 20_000 }))
  assert.equal(control.places(19_999), 0)
  assert.equal(control.places(20_000), 60)
})

test('an answer to what was sent before does not shorten the time for which it asked', () => {
  const control = new QuotaControl()
  for (const id of ['slow', 'refused']) control.took(id, 1)
  control.heard(0, news('refused', { requests: minute(60, 30), retryAfterMs: 20_000 }))
  control.heard(3000, news('slow', { requests: minute(60, 31) }))
  assert.equal(control.places(19_999), 0)
  assert.equal(control.places(20_000), 48)
})

test('keys add up; one that nothing is known of is no limit, one that is gone none either', () => {
  const control = new QuotaControl()
  const both = ['k1', 'k2']
  control.heard(0, news('r1', { requests: minute(60, 2) }, 'k1', both))
  assert.equal(control.places(0), Number.POSITIVE_INFINITY)
  control.heard(0, news('r2', { requests: minute(60, 5) }, 'k2', both))
  assert.equal(control.places(0), 7)
  control.heard(0, news('r3', { retryAfterMs: 9000 }, 'k2', both))
  assert.equal(control.places(0), 2)
  control.heard(0, news('r4', { requests: minute(60, 1) }, 'k1', ['k1']))
  assert.equal(control.places(0), 1)
})

function request(id: string, tenantId: string): TicketRequest {
  return {
    id,
    model: 'rented',
    tenantId,
    tenantWeight: 1,
    projectId: tenantId,
    projectWeight: 1,
    keyId: tenantId,
    userId: tenantId,
    serviceClass: 'standard',
    estimatedInputTokens: 100,
    outputTokensMax: 100,
    waitMsMax: 600_000,
    queueDepthMax: 1000,
    tenantConcurrencyMax: null,
    keyConcurrencyMax: null,
  }
}

test('a rented quota is shared fairly: who floods gets no more of it', () => {
  const clock = new FakeClock()
  const scheduler = new Scheduler(defaultSchedulerConfig)
  const quotas = new Quotas(scheduler, clock)
  const slots = { id: 'e', models: ['rented'], cap: 32, express: 0, backgroundReserve: 0 }
  scheduler.setEngine(slots)
  quotas.watch('e', true)
  const arrive = (id: string, tenant: string) =>
    scheduler.arrive(arrivalOf(request(id, tenant), 0, scheduler))
  for (let i = 0; i < 100; i++) arrive(`flood_${i}`, 'flood')
  const sent: Dispatch[] = []
  let left = 10
  /** Sends all that may go; the service answers at once and tells what is left. */
  const pump = () => {
    for (let next = scheduler.next(); next; next = scheduler.next()) {
      sent.push(next)
      quotas.took('e', next.id, 200)
      scheduler.finish(next.ticket)
      quotas.heard('e', news(next.id, { requests: minute(10, --left) }))
    }
  }
  pump()
  assert.equal(sent.length, 10, 'no more than the limit')
  assert.equal(scheduler.serves('rented'), true, 'a service at its limit is not away')
  for (let i = 0; i < 20; i++) arrive(`light_${i}`, 'light')
  for (let minuteTenth = 0; minuteTenth < 20; minuteTenth++) {
    clock.advance(6000)
    left++
    quotas.refresh()
    pump()
  }
  const later = sent.slice(10)
  const light = later.filter(({ id }) => id.startsWith('light')).length
  assert.ok(later.length >= 19 && later.length <= 21, `${later.length} in two minutes`)
  assert.ok(light >= later.length / 2 - 1, `${light} of ${later.length} are the light tenant's`)
})
