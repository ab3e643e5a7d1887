import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pool } from '../pool/index.ts'
import type { Route, RouteTarget } from '../route/index.ts'
import { batchRoom } from './batch-room.ts'

const engine = (name: string, model: string, cap: number, state = 'up') => [
  name,
  { engine: { name }, state, profile: { models: [{ name: model }], cap, capacityUnitsPerS: 100 } },
]
const pool = {
  cost: { input: 1, output: 2 },
  engines: new Map([
    engine('a', 'mill', 8),
    engine('b', 'mill', 16),
    engine('c', 'mill', 32, 'down'),
    engine('d', 'rye', 64),
    engine('rented', 'cloud', 128),
  ] as [string, unknown][]),
} as unknown as Pick<Pool, 'engines' | 'cost'>

const target = (model: string, change: Partial<RouteTarget> = {}): RouteTarget => ({
  ...{ model, engine: null, preference: 1, weight: 1, when: {}, price: null },
  ...change,
})
const rented = target('cloud', { price: { inputNanos: 1, outputNanos: 1 } })

function slotsFor(model: string | null, targets: RouteTarget[] = [], change: Partial<Route> = {}) {
  const bare = { name: 'grain', aliases: [], defaults: {}, deprecation: null, overflow: null }
  const route: Route = { ...bare, targets, ...change }
  const find = (name: string) => (name === 'grain' ? route : undefined)
  return batchRoom(pool, { find }, model).slots
}

test('a batch of a model has the engines that serve it and are up', () => {
  assert.equal(slotsFor('mill'), 24)
  assert.equal(slotsFor('none'), 0)
  assert.equal(slotsFor(null), 216)
})

test('a batch of a route has the engines of its targets', () => {
  assert.equal(slotsFor('grain', [target('mill')]), 24)
  assert.equal(slotsFor('grain', [target('mill', { engine: 'b' })]), 16)
  assert.equal(slotsFor('grain', [target('mill'), target('rye')]), 88)
})

test('it has rented targets where they are like all others', () => {
  const overflow = { allowances: {}, classes: [] }
  assert.equal(slotsFor('grain', [target('mill'), rented]), 152)
  assert.equal(slotsFor('grain', [target('mill'), rented], { overflow }), 24)
})
