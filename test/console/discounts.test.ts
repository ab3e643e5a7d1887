/** Discounts in the console: which terms hold in a month. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { monthAt, statedTerms } from '../../console/src/prices/discount-list.ts'
import type { DiscountTermsView } from '../../src/http/contract.ts'

const terms = (version: number, whose: 'ten_1' | 'plan', from: string): DiscountTermsView => ({
  version,
  tenantId: whose === 'plan' ? null : whose,
  plan: whose === 'plan' ? 'partner' : null,
  from,
  free: null,
  tiers: [{ above: '1', percent: '1' }],
  note: '',
  actor: 'cli',
  at: '2026-01-01T00:00:00.000Z',
})

test('of each tenant and plan the newest version of the latest month holds', () => {
  const rows = [
    terms(7, 'plan', '2027-03'),
    terms(6, 'ten_1', '2026-10'),
    terms(5, 'ten_1', '2026-12'),
    terms(4, 'plan', '2027-03'),
    terms(3, 'plan', '2026-12'),
    terms(2, 'plan', '2026-12'),
    terms(1, 'ten_1', '2026-11'),
  ]
  const states = Object.fromEntries(
    statedTerms(rows, '2026-12').map(({ version, state }) => [version, state]),
  )
  const past = { 1: 'past', 2: 'past', 4: 'past', 6: 'past' }
  assert.deepEqual(states, { ...past, 3: 'holds', 5: 'holds', 7: 'coming' })
})

test('months go on over the end of a year', () => {
  assert.equal(monthAt(Date.UTC(2026, 11, 31, 23), 1), '2027-01')
})
