/** Costs in the console: amounts, the months of the address, and pictures that add up. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { answerCosts } from '../../console/fixture/costs.ts'
import { costFlows, sumsOf } from '../../console/src/costs/cost-sums.ts'
import { costSpanOf } from '../../console/src/costs/cost-view.ts'
import { money, nanosOf, shortMoney, sumOf } from '../../console/src/parts/money.ts'
import type { ChargebackView } from '../../src/http/contract.ts'

const nowMs = Date.UTC(2026, 10, 14, 12)

test('money is shown with the decimals that it needs, and added up exactly', () => {
  const shown = ['0', '1234.5', '0.05', '0.000000012', '-3.999', '0.1234567'].map((text) =>
    money(nanosOf(text)),
  )
  assert.deepEqual(shown, ['0.00', '1,234.50', '0.05', '0.000000012', '-4.00', '0.123'])
  assert.equal(money(nanosOf('2'), 'EUR'), '2.00\u00a0EUR')
  assert.equal(shortMoney(nanosOf('1234.5')), '1.23K')
  assert.equal(sumOf(['0.1', '0.2', '-0.3']), 0n)
  assert.equal(nanosOf('900719925474.0993'), 900719925474_099300000n)
})

describe('the month of the costs page', () => {
  const spanOf = (query: string) => costSpanOf(new URLSearchParams(query), nowMs)

  test('is the running one until now, or a whole one before', () => {
    const running = spanOf('')
    assert.deepEqual(
      [running.month, running.to, running.isRunning],
      ['2026-11', '2026-11-14T12:00:00.000Z', true],
    )
    const { from, to, isRunning } = spanOf('month=2025-12&rule=use')
    assert.deepEqual([from, to], ['2025-12-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z'])
    assert.equal(isRunning, false)
  })

  test('is no other because an address says so', () => {
    for (const month of ['2027-01', '2026-13', 'nonsense']) {
      assert.equal(spanOf(`month=${month}`).month, '2026-11', month)
    }
    const first = costSpanOf(new URLSearchParams(), Date.UTC(2026, 10, 1))
    assert.ok(first.from < first.to, 'it has a length from its first moment on')
  })
})

describe('the picture of costs', () => {
  for (const rule of ['operator', 'use']) {
    test(`has everything that was paid, once, where idle is paid by ${rule}`, () => {
      const query = new URLSearchParams({
        from: '2026-11-01T00:00:00Z',
        to: '2026-11-14T12:00:00Z',
        rule,
      })
      const asked = { method: 'GET', path: '/api/chargeback', query, body: {} }
      const tenants = [
        { id: 'ten_1', weight: 1, serviceClass: 'flex' },
        { id: 'ten_2', weight: 3, serviceClass: 'standard' },
      ]
      const people = { isUnused: false, tenants, engines: [{ id: 'eng_1', name: 'gpu-1' }] }
      const view = answerCosts(asked, people, nowMs)?.body as ChargebackView
      const sums = sumsOf(view)
      assert.equal(sums.tenants + sums.unallocated, sums.cost)
      assert.equal(sums.worked + sums.wasted + sums.idle, sums.cost)
      const flows = costFlows(view)
      const drawn = flows.reduce((all, { amount }) => all + BigInt(amount), 0n)
      assert.equal(drawn, sums.cost)
      const bad = flows.reduce((all, { marked }) => all + BigInt(marked), 0n)
      assert.equal(bad, sums.wasted)
    })
  }
})
