/** Events of one stream: remembering the usual one changes nothing of what is seen in any. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FrameReader, readFrame } from './event-frame.ts'

const text = fc.oneof(
  fc.string({ maxLength: 8 }),
  fc.constantFrom(
    '',
    'a',
    '"',
    '\\',
    'a"b',
    '"},"finish_reason":"stop"',
    'stop',
    '\n',
    'é',
    '"usage":{',
  ),
)
const id = fc.constantFrom('one', 'two')
const choice = (delta: object, reason: string | null) => [
  { index: 0, delta, finish_reason: reason },
]
const event = fc.oneof(
  fc.record({ id, content: text }).map((given) => ({
    id: given.id,
    choices: choice({ content: given.content }, null),
  })),
  fc.record({ id, content: text }).map((given) => ({
    id: given.id,
    choices: choice({ content: given.content }, 'stop'),
  })),
  fc.record({ reasoning: text, content: text }).map((delta) => ({ choices: choice(delta, null) })),
  text.map((words) => ({ choices: [{ index: 0, text: words, finish_reason: null }] })),
  text.map((words) => ({ choices: choice({ content: words }, null), usage: { prompt_tokens: 3 } })),
  text.map((name) => ({ choices: choice({ tool_calls: [{ function: { name } }] }, null) })),
  fc.constant({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 2 } }),
  text.map((message) => ({ error: { message } })),
)
const frame = fc.oneof(
  { weight: 8, arbitrary: event.map((one) => `data: ${JSON.stringify(one)}\n\n`) },
  { weight: 1, arbitrary: fc.constantFrom(': ping\n\n', 'data: [DONE]\n\n', 'data: {}\n\n') },
)

test('an event is seen as what it is, whatever came before it', () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 12 }), (frames) => {
      const reader = new FrameReader()
      for (const one of frames) assert.deepEqual(reader.read(one), readFrame(one))
    }),
    { numRuns: 500 },
  )
})
