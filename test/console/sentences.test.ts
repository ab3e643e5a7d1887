/** Sentences and figures that must not say more than the console has seen. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listSentence } from '../../console/src/batches/batch-sentences.ts'
import { requestsSentence } from '../../console/src/requests/requests-sentence.ts'
import { weights } from '../../console/src/units.ts'
import type { BatchView, RequestView } from '../../src/http/contract.ts'

test('requests that a crash cut were not answered', () => {
  const row = (group: RequestView['group']) => ({ settledAt: 'now', queueMs: 0, group })
  const said = (...groups: RequestView['group'][]) =>
    requestsSentence(groups.map(row) as RequestView[], false)
  assert.match(said('finished', 'finished'), /^The latest 2 requests: all were answered\./)
  assert.match(said('finished', 'recovered', 'cut'), /^The latest 3 requests: 2 ended early\./)
})

test('of batches that were asked for by status nobody concludes on all others', () => {
  const ended = { status: 'completed', endedAt: '2026-12-01T10:00:00Z' } as BatchView
  const nowMs = Date.parse('2026-12-01T11:00:00Z')
  assert.match(listSentence([ended], false, nowMs), /^No batch is under way; the last one/)
  assert.match(listSentence([ended], true, nowMs), /^None of these batches is under way;/)
})

test('weights add up to what a person would have written', () => {
  assert.equal(weights(1.1 + 2.2 + 1), '4.3')
  assert.equal(weights(0.001 + 1e6), '1000000.001')
})
