import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { ListPriceListView, PriceBookView, PriceView } from '../http/index.ts'
import { listPricesAsYaml, pricesAsYaml, readListPriceFile, readPriceFile } from './price-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'gristmill-prices-'))
after(() => rmSync(folder, { recursive: true }))

const price: PriceView = {
  version: 1,
  model: 'small',
  serviceClass: 'batch',
  plan: null,
  effectiveAt: '2026-01-01T00:00:00.000Z',
  state: 'holds',
  rates: {
    input: '0.10',
    cachedInput: '0.10',
    cacheWrite: '0.10',
    output: '0.000000001',
    reasoning: '0.000000001',
    embedding: '0.02',
    request: '0',
    engineSecond: '0',
    hitShare: '0',
  },
  note: '',
  actor: 'cli',
  at: '2026-01-01T00:00:00.000Z',
}
const end: PriceView = { ...price, version: 2, state: 'coming', rates: null }
const book: PriceBookView = {
  currency: 'USD',
  prices: [{ ...price, version: 0, state: 'past' }, price, end],
}

test('a file holds what holds or is to come, amounts as they were written', () => {
  const path = join(folder, 'prices.yaml')
  writeFileSync(path, pricesAsYaml(book))
  const scope = { model: 'small', serviceClass: 'batch' }
  assert.deepEqual(readPriceFile(path, 'USD'), [
    { ...scope, input: '0.10', output: '0.000000001', embedding: '0.02' },
    { ...scope, effectiveAt: price.effectiveAt, ends: true },
  ])
  assert.throws(() => readPriceFile(path, 'EUR'), /EUR/)
  writeFileSync(path, '{"currency": "USD"}')
  assert.throws(() => readPriceFile(path, 'USD'), /a list "prices" is needed/)
})

test('a list of services is written as it is read, without its age', () => {
  const row = {
    ...{ provider: 'openai', model: 'gpt-4.1', currency: 'USD', input: '2.00', output: '8' },
    ...{ asOf: '2026-06-21', source: 'https://example.org/pricing' },
  }
  const unknown = { cachedInput: null, cacheWrite: null, via: null, note: null }
  const list = {
    prices: [{ ...row, ...unknown, ageDays: 9, isOutdated: false }],
  } as unknown as ListPriceListView
  const path = join(folder, 'list.yaml')
  writeFileSync(path, listPricesAsYaml(list))
  assert.deepEqual(readListPriceFile(path), [row])
})
