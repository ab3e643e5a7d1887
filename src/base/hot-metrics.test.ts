import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Counter, Histogram, Registry } from 'prom-client'
import { HotCounter, LabelHistogram } from './hot-metrics.ts'

/** The lines of a scrape without their order. */
const scrape = async (registry: Registry) => (await registry.metrics()).split('\n').sort()

it('shows the same as the library, whatever is counted and observed', async () => {
  const [ours, theirs] = [new Registry(), new Registry()]
  const counter = { name: 'requests_total', help: 'Requests' }
  const buckets = [0.1, 0.5, 1]
  const histogram = { name: 'wait_seconds', help: 'Wait', buckets }
  const hotCounter = new HotCounter({
    ...counter,
    labelNames: ['class', 'end'],
    registers: [ours],
  })
  const hotHistogram = new LabelHistogram({ ...histogram, labelName: 'class', registers: [ours] })
  const plainCounter = new Counter({
    ...counter,
    labelNames: ['class', 'end'],
    registers: [theirs],
  })
  const plainHistogram = new Histogram({
    ...histogram,
    labelNames: ['class'],
    registers: [theirs],
  })
  for (const name of ['standard', 'batch', 'standard']) {
    for (const end of ['done', 'timeout', 'done']) {
      hotCounter.inc(name, end)
      plainCounter.inc({ class: name, end })
    }
    for (const seconds of [0, 0.1, 0.3, 0.5, 0.75, 1, 7]) {
      hotHistogram.observe(name, seconds)
      plainHistogram.observe({ class: name }, seconds)
    }
  }
  assert.deepEqual(await scrape(ours), await scrape(theirs))
  // A second scrape counts nothing twice.
  assert.deepEqual(await scrape(ours), await scrape(theirs))
})
