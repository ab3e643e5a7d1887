import assert from 'node:assert/strict'
import { test } from 'node:test'
import { daySources } from './sim-day-sources.ts'

test('without a folder days are generated, say so, and can be asked for by a part of their name', () => {
  const all = [...daySources(undefined, 1)]
  assert.deepEqual(
    all.map(({ name }) => name),
    ['conversation-like', 'code-like'],
  )
  for (const { source, rows } of all) {
    assert.match(source, /not a trace/)
    assert.ok(rows.length > 10_000 && (rows.at(-1)?.atMs ?? 0) > 23 * 3_600_000)
  }
  assert.deepEqual(
    [...daySources(undefined, 1, 'code')].map(({ name }) => name),
    ['code-like'],
  )
})
