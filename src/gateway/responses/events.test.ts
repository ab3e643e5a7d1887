/** Streams and whole answers of engines as a client of the Responses wire gets them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ResponseEvents } from './events.ts'
import { type ChatMessage, chatMessages } from './input.ts'
import { notKept, type ResponseFrame } from './response.ts'
import { ToolBox } from './tools.ts'
import { responseOfAnswer } from './translation.ts'

const frame: ResponseFrame = {
  id: '1',
  model: 'mill',
  createdAt: 1,
  tier: 'default',
  asked: { model: 'mill', input: 'x', metadata: { a: 'b' } },
  tools: new Map([
    ['fs__read', { type: 'function', namespace: 'fs', name: 'read' }],
    ['patch', { type: 'custom', name: 'patch' }],
    ['tool_search', { type: 'tool_search', name: 'tool_search' }],
  ]),
  estimatedInputTokens: 12,
  keeping: notKept,
}

type Sent = Record<string, unknown> & { type: string; response: Record<string, unknown> }

/** Events, numbered and named as their data is. */
function parsed(text: string): Sent[] {
  const events = text.split('\n\n').filter((event) => event !== '' && !event.startsWith(':'))
  return events.map((event, i) => {
    // U+2028 ends a line of a pattern, and none of a stream.
    const found = /^event: ([\w.]+)\ndata: (.*)$/s.exec(event)
    assert.ok(found?.[2], event)
    const data = JSON.parse(found[2]) as Sent
    assert.deepEqual([data.type, data.sequence_number], [found[1], i])
    return data
  })
}

const chunk = (delta: object, finish: string | null = null) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
const usage = {
  prompt_tokens: 7,
  completion_tokens: 2,
  prompt_tokens_details: { cached_tokens: 3 },
  completion_tokens_details: { reasoning_tokens: 1 },
}
const USAGE = `data: ${JSON.stringify({ choices: [], usage })}\n\n`
const DONE = 'data: [DONE]\n\n'

const told = (chunks: string[]) => {
  const events = new ResponseEvents(frame)
  return parsed(chunks.map((text) => events.next(text)).join(''))
}

const answer = (message: object, finish_reason = 'stop') =>
  responseOfAnswer({ choices: [{ message, finish_reason }], usage }, frame) as Sent['response']

test('text comes as the wire has it, from created to completed', () => {
  const events = told([
    chunk({ role: 'assistant', content: '' }),
    chunk({ content: 'Hello' }),
    chunk({ content: ' world' }),
    chunk({}, 'stop'),
    USAGE,
    DONE,
  ])
  assert.deepEqual(
    events.map(({ type }) => type.replace('response.', '')),
    [
      ...['created', 'in_progress', 'output_item.added', 'content_part.added'],
      ...['output_text.delta', 'output_text.delta', 'output_text.done', 'content_part.done'],
      ...['output_item.done', 'completed'],
    ],
  )
  const { response } = events.at(-1) ?? {}
  assert.deepEqual(response, answer({ content: 'Hello world' }), 'as it would have come whole')
  assert.deepEqual(response?.usage, {
    input_tokens: 7,
    input_tokens_details: { cached_tokens: 3 },
    output_tokens: 2,
    output_tokens_details: { reasoning_tokens: 1 },
    total_tokens: 9,
  })
  const { store, metadata, previous_response_id } = response ?? {}
  assert.deepEqual([store, metadata, previous_response_id], [false, { a: 'b' }, null])
})

test('a call of a tool of a namespace comes back under its own name', () => {
  const called = { name: 'fs__read', arguments: '' }
  const events = told([
    chunk({ tool_calls: [{ index: 0, id: 'c', type: 'function', function: called }] }),
    chunk({ tool_calls: [{ index: 0, function: { arguments: '{}' } }] }),
    chunk({}, 'tool_calls'),
    DONE,
  ])
  assert.deepEqual(
    events.slice(2).map(({ type }) => type.replace('response.', '')),
    [
      ...['output_item.added', 'function_call_arguments.delta', 'function_call_arguments.done'],
      ...['output_item.done', 'completed'],
    ],
  )
  const item = { type: 'function_call', call_id: 'c', name: 'read', namespace: 'fs' }
  const done = { ...item, id: 'fc_1_0', status: 'completed', arguments: '{}' }
  assert.deepEqual(events.at(-1)?.response.output, [done])
  assert.equal(events.find(({ type }) => type.endsWith('arguments.done'))?.name, 'read')
})

test('the input of a custom tool comes out as the text that it is', () => {
  const text = '*** "Begin"\nänd'
  const json = JSON.stringify({ input: text })
  const call = { index: 0, id: 'c', type: 'function', function: { name: 'patch', arguments: '' } }
  const events = told([
    chunk({ tool_calls: [call] }),
    ...Array.from(json).map((piece) =>
      chunk({ tool_calls: [{ index: 0, function: { arguments: piece } }] }),
    ),
    chunk({}, 'tool_calls'),
    DONE,
  ])
  assert.deepEqual(
    events.slice(2).map(({ type }) => type.replace('response.', '')),
    [
      ...['output_item.added', 'custom_tool_call_input.delta', 'custom_tool_call_input.done'],
      ...['output_item.done', 'completed'],
    ],
  )
  const item = { type: 'custom_tool_call', call_id: 'c', name: 'patch', input: text }
  assert.deepEqual(events.at(-1)?.response.output, [{ ...item, id: 'fc_1_0', status: 'completed' }])
  const whole = answer({ tool_calls: [{ ...call, function: { name: 'patch', arguments: '{1' } }] })
  assert.deepEqual((whole.output as { input: string }[])[0]?.input, '{1', 'as the engine wrote it')
})

test('a search for tools comes out with what is asked for', () => {
  const called = { name: 'tool_search', arguments: '{"query":"x"}' }
  const events = told([
    chunk({ tool_calls: [{ index: 0, id: 'c', type: 'function', function: called }] }),
    chunk({}, 'tool_calls'),
    DONE,
  ])
  assert.deepEqual(
    events.slice(2).map(({ type }) => type.replace('response.', '')),
    ['output_item.added', 'output_item.done', 'completed'],
  )
  const item = { id: 'fc_1_0', type: 'tool_search_call', status: 'completed', call_id: 'c' }
  const asked = { execution: 'client', arguments: { query: 'x' } }
  assert.deepEqual(events.at(-1)?.response.output, [{ ...item, ...asked }])
})

test('an answer that was cut is incomplete, and says why', () => {
  for (const [finish, reason] of [
    ['length', 'max_output_tokens'],
    ['content_filter', 'content_filter'],
  ] as const) {
    const last = told([chunk({ content: 'x' }), chunk({}, finish), USAGE, DONE]).at(-1)
    assert.equal(last?.type, 'response.incomplete')
    assert.deepEqual(last?.response, answer({ content: 'x' }, finish))
    assert.deepEqual(last?.response.incomplete_details, { reason })
  }
})

test('a client that waits is told that the response has begun, then kept', () => {
  const events = new ResponseEvents(frame)
  const text = events.ping() + events.ping()
  assert.equal(text.split(': keep-alive').length, 3)
  assert.deepEqual(
    parsed(text).map(({ type }) => type),
    ['response.created', 'response.in_progress'],
  )
  const failed = events.failure({ message: 'too late', code: 'wait_limit_exceeded', param: null })
  const data = JSON.parse(failed.split('data: ')[1] ?? '') as object
  assert.deepEqual(data, {
    type: 'error',
    message: 'too late',
    code: 'wait_limit_exceeded',
    param: null,
    sequence_number: 2,
  })
})

const someText = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 })
const someCall = fc.oneof(
  fc.record({ name: fc.constantFrom('f', 'g', 'fs__read'), arguments: someText }),
  fc.constant({ name: 'tool_search', arguments: '{"query":"x"}' }),
  someText.map((input) => ({ name: 'patch', arguments: JSON.stringify({ input }) })),
)

test('what an engine says survives the way out and the way back, streamed and whole', () => {
  const seed = Number(process.hrtime.bigint() % 1_000_000n)
  const parts = fc.record({
    thinking: fc.option(someText, { nil: '' }),
    content: fc.option(someText, { nil: '' }),
    calls: fc.array(someCall, { maxLength: 3 }),
  })
  fc.assert(
    fc.property(parts, ({ thinking, content, calls }) => {
      fc.pre(content !== '' || calls.length > 0 || thinking !== '')
      const tool_calls = calls.map((called, i) => ({
        id: `call_${i}`,
        type: 'function' as const,
        function: { ...called },
      }))
      const message: ChatMessage = {
        role: 'assistant',
        content: content === '' ? null : content,
        ...(thinking !== '' && { reasoning_content: thinking }),
        ...(calls.length > 0 && { tool_calls }),
      }
      const { output } = answer(message) as { output: object[] }
      const chunks = [
        ...Array.from(thinking).map((text) => chunk({ reasoning: text })),
        ...Array.from(content).map((text) => chunk({ content: text })),
        ...tool_calls.flatMap((call, index) => [
          chunk({ tool_calls: [{ ...call, index, function: { name: call.function.name } }] }),
          chunk({ tool_calls: [{ index, function: { arguments: call.function.arguments } }] }),
        ]),
      ]
      const streamed = told([...chunks, chunk({}, 'stop'), DONE]).at(-1)
      assert.deepEqual(streamed?.response.output, output)
      // What broke off in its thoughts has a text on its way back, if an empty one.
      const back = { ...message, content: calls.length > 0 ? message.content : content }
      assert.deepEqual(chatMessages(undefined, output, new ToolBox()), [back])
    }),
    { seed, numRuns: 300, verbose: 1 },
  )
})

/** What cannot be made a text, as its own `toString` is none. */
const notText = { choices: [{ finish_reason: { toString: '' } }], usage: null }

test('whatever an engine sends, nothing is thrown', () => {
  const seed = Number(process.hrtime.bigint() % 1_000_000n)
  const odd = fc.jsonValue({ maxDepth: 3 })
  const choice = fc.oneof(odd, fc.record({ delta: odd, message: odd, finish_reason: odd }))
  const body = fc.oneof(odd, fc.record({ choices: fc.oneof(odd, fc.array(choice)), usage: odd }))
  fc.assert(
    fc.property(fc.array(body, { maxLength: 6 }), (bodies) => {
      const last = told([
        ...bodies.map((one) => `data: ${JSON.stringify(one)}\n\n`),
        chunk({}, 'stop'),
        DONE,
      ]).at(-1)
      assert.equal(last?.type, 'response.completed')
      for (const one of bodies) responseOfAnswer({ choices: [one] }, frame)
    }),
    { seed, numRuns: 300, verbose: 1, examples: [[[notText]]] },
  )
})
