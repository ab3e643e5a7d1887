import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type ClientCall, judge, type LedgerRow } from './chaos-verdict.ts'

const counts = { inputTokens: 10, cachedTokens: 0, outputTokens: 3 }
const row: LedgerRow = { requestId: 'req_1', group: 'finished', estimated: false, ...counts }
const call: ClientCall = {
  requestId: 'req_1',
  end: 'finished',
  chunkMs: [1, 2, 3],
  usage: counts,
  engine: counts,
}

describe('the verdict on a ledger', () => {
  it('is clean where every count is the same, and sums them up', () => {
    const verdict = judge([call], [row])
    assert.deepEqual(verdict.violations, [])
    assert.deepEqual([verdict.clientTokens, verdict.ledgerTokens, verdict.finished], [13, 13, 1])
  })

  it('finds a finished answer that is booked as cut, otherwise, or not at all', () => {
    assert.equal(judge([call], [{ ...row, group: 'cut' }]).violations.length, 1)
    assert.equal(judge([call], [{ ...row, outputTokens: 4 }]).violations.length, 2)
    assert.equal(judge([call], []).violations.length, 1)
  })

  it('finds a cut answer that is booked below what its client received', () => {
    const cut: ClientCall = { ...call, end: 'aborted', usage: null, engine: null }
    const booked = (outputTokens: number, group: LedgerRow['group']) =>
      judge([cut], [{ ...row, group, outputTokens, estimated: true }]).violations.length
    assert.equal(booked(3, 'cut'), 0)
    assert.equal(booked(2, 'cut'), 1)
    assert.equal(booked(2, 'recovered'), 0, 'all of it came within the last second')
  })

  it('lets a crash cost one second of a stream and no more', () => {
    const chunkMs = Array.from({ length: 40 }, (_, index) => index * 100)
    const broken: ClientCall = { ...call, end: 'failed', usage: null, engine: null, chunkMs }
    const booked = (outputTokens: number) =>
      judge([broken], [{ ...row, group: 'recovered', outputTokens }]).violations.length
    assert.equal(booked(29), 0)
    assert.equal(booked(28), 1)
  })

  it('lets a crash take the settlement of an answer of the last second, not of an older one', () => {
    const lost: LedgerRow = { ...row, group: 'recovered', inputTokens: 0, outputTokens: 0 }
    assert.deepEqual(judge([call], [lost]).violations, [])
    const chunkMs = [0, 1500, 2600]
    assert.equal(judge([{ ...call, chunkMs }], [lost]).violations.length, 1)
  })

  it('passes over what was refused before it began', () => {
    const refused: ClientCall = { ...call, end: 'failed', chunkMs: [], usage: null, engine: null }
    assert.deepEqual(judge([refused, { ...refused, requestId: null }], []).violations, [])
  })
})
