import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { systemClock } from '../../base/index.ts'
import { type BilledUse, type DifferenceClass, type OwnUse, reconcile } from './reconcile.ts'

const planted = fc.constantFrom<DifferenceClass>(
  ...(['matched', 'missing_here', 'missing_there', 'price', 'tokens'] as const),
)
const use = fc.record({
  day: fc.constantFrom('2026-11-01', '2026-11-02', '2026-11-30'),
  model: fc.constantFrom('gpt-x', 'gpt-y', '"odd", name'),
  key: fc.constantFrom('one', 'two'),
  requests: fc.integer({ min: 1, max: 9 }),
  tokens: fc.integer({ min: 1, max: 1e9 }),
  nanos: fc.bigInt({ min: 1n, max: 10n ** 15n }),
  wanted: planted,
  by: fc.integer({ min: 1, max: 1000 }),
})
type Use = typeof use extends fc.Arbitrary<infer One> ? One : never

const idOf = ({ day, model, key }: Pick<OwnUse, 'day' | 'model' | 'key'>) =>
  JSON.stringify([day, model, key])

/** What a service that bills this way would bill, in two rows. */
function billed({ day, model, key, tokens, nanos, wanted, by }: Use): BilledUse[] {
  if (wanted === 'missing_there') return []
  const more = { tokens: wanted === 'tokens' ? by : 0, nanos: wanted === 'price' ? BigInt(by) : 0n }
  const head = { day, model, key, roundingNanos: 0n }
  const first = { ...head, tokens: Math.floor(tokens / 3), nanos: nanos / 2n }
  const rest = {
    tokens: tokens - first.tokens + more.tokens,
    nanos: nanos - first.nanos + more.nanos,
  }
  return [first, { ...head, ...rest }]
}

it('finds every planted difference and no other', () => {
  const seed = systemClock.nowMs() % 2 ** 31
  process.stderr.write(`seed ${seed}\n`)
  const uses = fc.uniqueArray(use, { selector: idOf, minLength: 1, maxLength: 12 })
  const property = fc.property(uses, fc.boolean(), (given, isReversed) => {
    const ours = given.filter(({ wanted }) => wanted !== 'missing_here')
    const theirs = given.flatMap(billed)
    // Order says nothing.
    if (isReversed) theirs.reverse()
    const lines = reconcile(ours, theirs)
    const found = new Map(lines.map((line) => [idOf(line), line.class]))
    const anyKey = theirs.length > 0
    if (!anyKey) return
    assert.deepEqual(found, new Map(lines.map((line) => [idOf(line), wantedOf(given, line)])))
    assert.equal(lines.length, given.length)
  })
  fc.assert(property, { seed, numRuns: 300 })
})

const wantedOf = (given: readonly Use[], line: Pick<OwnUse, 'day' | 'model' | 'key'>) =>
  given.find((one) => idOf(one) === idOf(line))?.wanted

const own = { day: '2026-11-01', model: 'm', requests: 1, tokens: 10, nanos: 1000n }
const bill = { day: '2026-11-01', model: 'm', key: '', tokens: null, roundingNanos: 0n }

it('a bill without keys is compared with the work of all keys together', () => {
  const lines = reconcile(
    [
      { ...own, key: 'one' },
      { ...own, key: 'two' },
    ],
    [{ ...bill, nanos: 2000n }],
  )
  assert.deepEqual(
    lines.map((line) => [line.class, line.ours?.requests]),
    [['matched', 2]],
  )
})

it('what a bill rounds off is no difference, and more is', () => {
  const classes = [50n, 51n].map((off) => {
    const rows = [{ ...bill, nanos: 1000n - off, roundingNanos: 50n }]
    return reconcile([{ ...own, key: '' }], rows)[0]?.class
  })
  assert.deepEqual(classes, ['matched', 'price'])
})
