/** Responses that are kept and gone on from, through the official client at a scripted engine. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import OpenAI from 'openai'
import { GristmillError } from '../../base/index.ts'
import { until } from '../../base/test-eventually.ts'
import {
  answerChat,
  beginStream,
  chatFrames,
  startTestEngine,
  type TestEngine,
} from '../../engine/index.ts'
import { startTestGateway, type TestGateway, testPrincipal } from '../test-gateway.ts'
import type { NewResponse, ResponseArchive } from '../types.ts'
import { itemsGiven } from './items.ts'

/** Keeps in memory; `held` puts that off. */
class MemoryArchive implements ResponseArchive {
  readonly kept = new Map<string, NewResponse>()
  held: PromiseWithResolvers<void> | undefined

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
    await this.held?.promise
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
  archive.held?.resolve()
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

const key = { headers: { 'Idempotency-Key': 'order-1' } }

for (const stream of [false, true]) {
  const how = stream ? 'streamed' : 'whole'
  test(`an answer whose client has gone is kept for its repetition, ${how}`, async () => {
    let rest: (() => void) | undefined
    engine.answer((one) => {
      if (stream) beginStream(one.response)
      const frames = chatFrames(one, ['Hello', ' world'])
      if (stream) one.response.write(frames.slice(0, 2).join(''))
      rest = () => {
        if (stream) one.response.end(frames.slice(2).join(''))
        else answerChat(one, ['Hello', ' world'])
      }
    })
    const breaks = new AbortController()
    const asked = { model: 'mill', input: 'Hi', stream }
    const lost = client.responses.create(asked, { ...key, signal: breaks.signal })
    lost.catch(() => undefined)
    await until(() => rest !== undefined)
    breaks.abort()
    await until(() => mill.openCount() === 0)
    archive.held = Promise.withResolvers<void>()
    rest?.()
    await until(() => mill.ledger.settlements.length === 1)
    // It comes when the answer is there, and before it is kept.
    const repeated = client.responses.create(asked, key).asResponse()
    await until(() => mill.openCount() === 1)
    archive.held.resolve()
    const text = await (await repeated).text()
    const [id] = /resp_\w+/.exec(text) ?? []
    assert.deepEqual([...archive.kept.keys()], [id])
    const last = await client.responses.create(asked, key).asResponse()
    assert.equal(await last.text(), text)
    assert.equal(engine.seen.length, 1, 'it has run once')
    engine.answer((one) => answerChat(one, ['More']))
    assert.equal((await ask('Go on.', id)).output_text, 'More')
  })
}
