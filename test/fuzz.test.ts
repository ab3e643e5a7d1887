import assert from 'node:assert/strict'
import { it } from 'node:test'
import { fuzz } from '../bench/fuzz.ts'

it('hostile requests and a hostile engine get clean answers, and nobody else sees them', async () => {
  const seed = 1
  const { engine, statuses, ...result } = await fuzz({ seed, count: 2000 })
  const told = `seed ${seed}: ${JSON.stringify(result, null, 2)}`
  assert.deepEqual(result.problems, {}, told)
  assert.equal(result.survived, true, told)
  assert.equal(result.leakedSlots + result.openIntents + result.doubleSettled, 0, told)
  assert.deepEqual(result.logged, { lines: 0, first: [] }, told)
  // Most of what an engine can do wrong was done, and much of it got through to clients.
  assert.ok(Object.keys(engine).length > 50, JSON.stringify(engine))
  assert.ok((statuses['200'] ?? 0) > 300 && (statuses['502'] ?? 0) > 50, JSON.stringify(statuses))
})
