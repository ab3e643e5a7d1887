/** Calls of a stream whose engine gives all of them the same index, as some servers do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CallNumbers, callOf } from './engine-words.ts'
import type { Guarding } from './guards/before.ts'
import { GuardedChoice } from './guards/choice.ts'
import { MessageEvents } from './messages/events.ts'
import { ResponseEvents } from './responses/events.ts'
import { notKept } from './responses/response.ts'

const pieces = [
  { index: 0, id: 'a', type: 'function', function: { name: 'grind', arguments: '' } },
  { index: 0, function: { arguments: '{"sacks":' } },
  { index: 0, id: 'a', function: { name: '', arguments: '1}' } },
  { index: 0, id: 'b', type: 'function', function: { name: 'grind', arguments: '{}' } },
  { index: 0, id: 'c', type: 'function', function: { name: 'weigh', arguments: '{}' } },
]
const chunks = [
  ...pieces.map((piece) => ({ index: 0, delta: { tool_calls: [piece] }, finish_reason: null })),
  { index: 0, delta: {}, finish_reason: 'tool_calls' },
].map((choice) => `data: ${JSON.stringify({ choices: [choice] })}\n\n`)
const stream = `${chunks.join('')}data: [DONE]\n\n`
const expected = [
  ['a', 'grind', '{"sacks":1}'],
  ['b', 'grind', '{}'],
  ['c', 'weigh', '{}'],
]

test('a call with a name and an id of its own is another one, whatever its index', () => {
  const numbers = new CallNumbers()
  const found = pieces.map((piece) => numbers.numberOf(callOf(piece, 0)))
  assert.deepEqual(found, [0, 0, 0, 1, 2])
  const renamed = callOf({ index: 0, id: 'd', function: { arguments: '1' } }, 0)
  assert.equal(numbers.numberOf(renamed), 2, 'some engines give every piece another id')
})

test('the Responses wire has them all', () => {
  const events = new ResponseEvents({
    id: '1',
    model: 'mill',
    createdAt: 1,
    tier: 'default',
    asked: {},
    tools: new Map(),
    estimatedInputTokens: 1,
    keeping: notKept,
  })
  events.next(stream)
  const output = events.whole?.output as { call_id: string; name: string; arguments: string }[]
  assert.deepEqual(
    output.map((item) => [item.call_id, item.name, item.arguments]),
    expected,
  )
})

test('the Messages wire has them all', () => {
  const events = new MessageEvents({
    id: 'msg_1',
    model: 'mill',
    serviceClass: 'standard',
    estimatedInputTokens: 1,
    outputTokensMax: 9,
    stops: [],
  })
  const told = events.next(stream).matchAll(/^data: (.*)$/gm)
  const data = [...told].map(([, text]) => JSON.parse(text ?? ''))
  const blocks = data.filter(({ type }) => type === 'content_block_start')
  const written = blocks.map(({ index, content_block: { id, name } }) => {
    const deltas = data.filter((one) => one.delta?.partial_json && one.index === index)
    return [id, name, deltas.map((one) => one.delta.partial_json).join('')]
  })
  assert.deepEqual(written, expected)
})

test('guards see them all', () => {
  const guarding = { set: { after: [], wantsWhole: true } } as unknown as Guarding
  const choice = new GuardedChoice(0, guarding)
  for (const piece of pieces) choice.addCalls([piece])
  const calls = choice.words.tool_calls as { id: string; function: Record<string, string> }[]
  assert.deepEqual(
    calls.map(({ id, function: called }) => [id, called.name, called.arguments]),
    expected,
  )
})
