import assert from 'node:assert/strict'
import { it } from 'node:test'
import { chaosBooks } from '../bench/chaos-books.ts'

it('books are whole after each kill of a gateway and of its database', async () => {
  const result = await chaosBooks({ seed: 3, rounds: 2 })
  const { lost, doubled, verifyFailures, problems } = result
  assert.deepEqual(problems, [])
  assert.deepEqual([lost, doubled, verifyFailures], [0, 0, 0])
  assert.ok(result.childKills > 0 && result.requests > 0, JSON.stringify(result))
})
