import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tableLines } from './table.ts'

test('a table has as many rows as there are', () => {
  const rows = Array.from({ length: 200_000 }, (_, at) => at)
  const columns = [
    { title: 'A', value: (row: number) => String(row) },
    { title: 'B', value: () => 'x' },
  ]
  const lines = tableLines(rows, columns, (_, text) => text)
  assert.equal(lines.length, 200_001)
  assert.deepEqual([lines[0], lines[1], lines.at(-1)], ['A       B', '0       x', '199999  x'])
})
