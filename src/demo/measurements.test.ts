import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { rowsOf, type Sample, ttftPercentile } from './measurements.ts'

const answered = (ttftMs: number, outputTokens = 8): Sample => ({
  sentMs: 1000,
  firstMs: 1000 + ttftMs,
  endMs: 1000 + ttftMs + 100,
  outputTokens,
})
const waiting: Sample = { sentMs: 1000, firstMs: null, endMs: null, outputTokens: 0 }

describe('the time to first token of a tenant in the demo', () => {
  it('is unknown without a request', () => {
    assert.deepEqual(ttftPercentile([], 0.99, 0), { valueMs: null, isAtLeast: false })
  })

  it('counts a request that never got an answer with the time it waited, as a lower bound', () => {
    const samples = [answered(10), answered(20), waiting]
    assert.deepEqual(ttftPercentile(samples, 0.99, 32_000), { valueMs: 31_000, isAtLeast: true })
    assert.deepEqual(ttftPercentile(samples, 0.5, 32_000), { valueMs: 20, isAtLeast: false })
  })

  it('says that the true value may be higher where a young request may still come in above', () => {
    const samples = [waiting, answered(500), answered(600)]
    assert.deepEqual(ttftPercentile(samples, 0.99, 1100), { valueMs: 600, isAtLeast: true })
  })
})

describe('the rows of the demo', () => {
  it('share the tokens of a half, and stop the clock of a half that is over', () => {
    const rows = rowsOf(
      [
        { tenant: 'flood', half: 'fcfs', samples: [answered(5, 30), waiting] },
        { tenant: 'light', half: 'fcfs', samples: [answered(5, 10)] },
        { tenant: 'light', half: 'fair', samples: [answered(5, 7)] },
      ],
      90_000,
      new Map([['fcfs', 61_000]]),
    )
    assert.deepEqual(
      rows.map(({ share }) => share),
      [0.75, 0.25, 1],
    )
    assert.equal(rows[0]?.ttftP99Ms, 60_000)
    assert.equal(rows[0]?.unfinished, 1)
  })
})
