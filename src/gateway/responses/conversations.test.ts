/** Responses that are kept and gone on from, through the official client at a scripted engine. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import OpenAI from 'openai'
import { GristmillError } from '../../base/index.ts'
import { answerChat, startTestEngine, type TestEngine } from '../../engine/index.ts'
import { startTestGateway, type TestGateway, testPrincipal } from '../test-gateway.ts'
import type { NewResponse, ResponseArchive } from '../types.ts'
import { itemsGiven } from './items.ts'

/** Keeps in memory. */
class MemoryArchive implements ResponseArchive {
  readonly kept = new Map<string, NewResponse>()

  async history(_: unknown, id: string): Promise<Record<string, unknown>[]> {
    const response = this.kept.get(id)
    if (response === undefined) throw new GristmillError('previous_response_not_found', { id })
    const { previousId } = response
    const before = previousId === null ? [] : await this.history(_, previousId)
    return [...before, ...itemsIn(response)]
  }

  async items(_: unknown, ids: readonly string[]): Promise<Record<string, unknown>[]> {
    return ids.flatMap((id) => itemsIn(this.kept.get(id)))
  }

  async keep(_: unknown, response: NewResponse): Promise<void> {
    this.kept.set(response.id, response)
  }

  enqueue(): Promise<void> {
    throw new Error('nothing runs in the background here')
  }
}

function itemsIn(response: NewResponse | undefined): Record<string, unknown>[] {
  if (response === undefined) throw new GristmillError('not_found', { kind: 'response', id: '' })
  const { input } = JSON.parse(response.request.toString()) as { input: unknown }
  const output = response.answer.output as Record<string, unknown>[]
  return [...itemsGiven(input, response.id), ...output]
}

let archive: MemoryArchive
let mill: TestGateway
let engine: TestEngine
let client: OpenAI

beforeEach(async () => {
  archive = new MemoryArchive()
  mill = await startTestGateway({ archive })
  engine = await startTestEngine()
  mill.setEngine(engine)
  mill.principals.set('sk-anna', testPrincipal('anna', { policy: { responseDays: 30 } }))
  client = new OpenAI({ baseURL: mill.baseUrl, apiKey: 'sk-anna', maxRetries: 0 })
})
afterEach(async () => {
  await mill.close()
  await engine.close()
  assert.equal(mill.pool.running.size, 0, 'no slot is leaked')
  assert.equal(mill.ledger.settlements.length, mill.ledger.intents.length)
})

const ask = (input: string | OpenAI.Responses.ResponseInput, previous_response_id?: string) =>
  client.responses.create({
    model: 'mill',
    input,
    ...(previous_response_id !== undefined && { previous_response_id }),
  })

test('items that were referred to are said again when it is gone on from', async () => {
  engine.answer((one) => answerChat(one, ['Hello']))
  const first = await ask('One.')
  const reference = { type: 'item_reference', id: first.output[0]?.id ?? '' } as const
  const second = await ask([reference, { role: 'user', content: 'Two.' }])
  await ask('Three.', second.id)
  const said = [
    { role: 'assistant', content: 'Hello' },
    { role: 'user', content: 'Two.' },
  ]
  assert.deepEqual(engine.seen[1]?.body.messages, said)
  const more = [...said, said[0], { role: 'user', content: 'Three.' }]
  assert.deepEqual(engine.seen[2]?.body.messages, more)
  const twice = await ask([reference, { role: 'user', content: 'Two.' }], first.id)
  await ask('Three.', twice.id)
  const whole = [{ role: 'user', content: 'One.' }, ...more]
  assert.deepEqual(engine.seen[4]?.body.messages, whole, 'and nothing is said twice')
})
