import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type BookedRow, judge, Record } from './books-verdict.ts'

const most = { inputTokens: 10, cachedTokens: 4, outputTokens: 3 }
const row: BookedRow = { id: 'req_1', group: 'finished', ...most }

/** A call whose tokens came at these times, and whose answer ended, or its caller left. */
function heard(tokenMs: number[], end?: { atMs: number; isWhole: boolean }): Record {
  const record = new Record()
  record.hear({ kind: 'began', id: 'req_1', tenantId: 'ten_1', most }, 0)
  for (const [at, ms] of tokenMs.entries()) {
    record.hear({ kind: 'tokens', id: 'req_1', tokens: at + 1 }, ms)
  }
  if (end) {
    const usage = end.isWhole ? most : null
    record.hear({ kind: 'ended', id: 'req_1', usage }, end.atMs)
  }
  return record
}

const found = (record: Record, rows: BookedRow[]) => {
  const { lost, doubled } = judge(record, rows)
  return [lost.length, doubled.length]
}

describe('the verdict on the books', () => {
  const whole = heard([1, 2, 3], { atMs: 4, isWhole: true })

  it('is clean where the books have what the caller was told', () => {
    assert.deepEqual(found(whole, [row]), [0, 0])
    const left = heard([1, 2], { atMs: 3, isWhole: false })
    assert.deepEqual(found(left, [{ ...row, group: 'cut', outputTokens: 2 }]), [0, 0])
  })

  it('finds a request that is not there, not closed, or has less', () => {
    assert.deepEqual(found(whole, []), [1, 0])
    assert.deepEqual(found(whole, [{ ...row, group: null }]), [1, 0])
    assert.deepEqual(found(whole, [{ ...row, cachedTokens: 5 }]), [1, 0])
    assert.deepEqual(found(heard([1, 2]), [{ ...row, group: 'cut', outputTokens: 1 }]), [1, 0])
  })

  it('finds one that has more than there was, or was refused', () => {
    assert.deepEqual(found(heard([1]), [{ ...row, outputTokens: 4 }]), [0, 1])
    const refused = new Record()
    refused.hear({ kind: 'refused', id: 'req_1', code: 'ledger_unavailable' }, 1)
    assert.deepEqual(found(refused, [row]), [0, 1])
    assert.deepEqual(found(refused, []), [0, 0])
  })

  it('lets a crash take the last second and no more', () => {
    const booked: BookedRow = { ...row, group: 'recovered', inputTokens: 0, outputTokens: 0 }
    assert.deepEqual(found(whole, [booked]), [0, 0])
    const long = heard([1, 1500, 2600])
    assert.deepEqual(found(long, [{ ...booked, outputTokens: 2 }]), [0, 0])
    assert.deepEqual(found(long, [{ ...booked, outputTokens: 1 }]), [1, 0])
    const old = heard([1, 2, 3], { atMs: 4, isWhole: true })
    old.hear({ kind: 'began', id: 'req_2', tenantId: 'ten_1', most }, 1100)
    const other: BookedRow = { ...booked, id: 'req_2' }
    assert.deepEqual(found(old, [{ ...booked, outputTokens: 3 }, other]), [1, 0])
  })
})
