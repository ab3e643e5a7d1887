/** Who is let in, and who has been. */
import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { GristmillError, Roster } from '../base/index.ts'
import { Entrance } from './entrance.ts'

test('what has come in goes on, however many come after it', () => {
  const entrance = new Entrance({ healthy: () => true }, { streamsMax: 1 }, new Roster())
  const enter = () => {
    entrance.open++
    entrance.mayEnter({ method: 'POST' } as IncomingMessage, '/v1/embeddings')
  }
  enter()
  assert.throws(enter, (error) => {
    return error instanceof GristmillError && error.code === 'too_many_streams'
  })
  // The first has waited for a guard or a budget meanwhile.
  entrance.mayStart()
})
