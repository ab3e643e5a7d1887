/** Streams and whole answers of engines as a client of the Messages wire gets them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseExactly } from '../../base/index.ts'
import { messageOfAnswer } from './answer.ts'
import { type ChatMessage, chatMessages } from './content.ts'
import type { AnswerFrame } from './ending.ts'
import { MessageEvents } from './events.ts'

const frame: AnswerFrame = {
  id: 'msg_1',
  model: 'mill',
  serviceClass: 'standard',
  estimatedInputTokens: 12,
  outputTokensMax: 100,
  stops: ['END'],
}

interface Sent {
  type: string
  index: number
  delta: Record<string, string>
  content_block: Record<string, unknown>
  message: { content: unknown[]; usage: object }
  usage: object
  error: { type: string; message: string }
}

/** Events by their names, each of which has to be that of its data. */
function parsed(text: string): Sent[] {
  return text
    .split('\n\n')
    .filter((event) => event !== '')
    .map((event) => {
      const found = /^event: (\w+)\ndata: ([^\n]*)$/.exec(event)
      assert.ok(found?.[2], event)
      const data = JSON.parse(found[2]) as Sent
      assert.equal(found[1], data.type)
      return data
    })
}

const chunk = (delta: object, finish: string | null = null, more: object = {}) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: finish, ...more }] })}\n\n`
const usageChunk = (input: number, output: number, cached = 0) =>
  `data: ${JSON.stringify({
    choices: [],
    usage: {
      prompt_tokens: input,
      completion_tokens: output,
      prompt_tokens_details: { cached_tokens: cached },
    },
  })}\n\n`
const DONE = 'data: [DONE]\n\n'

const told = (chunks: string[], changes: Partial<AnswerFrame> = {}) => {
  const events = new MessageEvents({ ...frame, ...changes })
  return parsed(chunks.map((text) => events.next(text)).join(''))
}

const shapeOf = (events: Sent[]) =>
  events.map(({ type, index, delta }) => [type, index, delta?.type].filter((v) => v !== undefined))

test('text comes as the wire has it: message, block, deltas, ends, usage', () => {
  const events = told([
    chunk({ role: 'assistant', content: '' }),
    chunk({ content: 'Hello' }),
    chunk({ content: ' "world"\n水' }),
    chunk({}, 'stop'),
    usageChunk(7, 2, 3),
    DONE,
  ])
  assert.deepEqual(shapeOf(events), [
    ['message_start'],
    ['content_block_start', 0],
    ['content_block_delta', 0, 'text_delta'],
    ['content_block_delta', 0, 'text_delta'],
    ['content_block_stop', 0],
    ['message_delta'],
    ['message_stop'],
  ])
  const [start, , , second] = events
  const last = events.at(-2)
  assert.deepEqual(start?.message.content, [])
  assert.equal(second?.delta.text, ' "world"\n水')
  assert.deepEqual(last?.delta, {
    stop_reason: 'end_turn',
    stop_sequence: null,
    stop_details: null,
    container: null,
  })
  assert.deepEqual(last?.usage, {
    input_tokens: 4,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 3,
    output_tokens: 2,
    output_tokens_details: null,
    server_tool_use: null,
  })
})

test('thinking, text and calls are blocks one after the other', () => {
  const call = (index: number, fields: object) => ({ tool_calls: [{ index, ...fields }] })
  const events = told([
    chunk({ reasoning_content: 'Hm' }),
    chunk({ reasoning: '.' }),
    chunk({ content: 'I look.' }),
    chunk(call(0, { id: 'a', type: 'function', function: { name: 'f', arguments: '' } })),
    chunk(call(0, { function: { arguments: '{"x":' } })),
    chunk(call(0, { function: { arguments: '1}' } })),
    chunk(call(1, { id: 'b', type: 'function', function: { name: 'g', arguments: '{}' } })),
    chunk({}, 'tool_calls'),
    DONE,
  ])
  assert.deepEqual(shapeOf(events), [
    ['message_start'],
    ['content_block_start', 0],
    ['content_block_delta', 0, 'thinking_delta'],
    ['content_block_delta', 0, 'thinking_delta'],
    ['content_block_delta', 0, 'signature_delta'],
    ['content_block_stop', 0],
    ['content_block_start', 1],
    ['content_block_delta', 1, 'text_delta'],
    ['content_block_stop', 1],
    ['content_block_start', 2],
    ['content_block_delta', 2, 'input_json_delta'],
    ['content_block_delta', 2, 'input_json_delta'],
    ['content_block_stop', 2],
    ['content_block_start', 3],
    ['content_block_delta', 3, 'input_json_delta'],
    ['content_block_stop', 3],
    ['message_delta'],
    ['message_stop'],
  ])
  assert.equal(events.at(-2)?.delta.stop_reason, 'tool_use')
  const { id, name, input } = events[9]?.content_block ?? {}
  assert.deepEqual([id, name, input], ['a', 'f', {}])
})

test('a client that waits is sent pings, before the message has begun', () => {
  const events = new MessageEvents(frame)
  const text = events.ping() + events.ping() + events.next(chunk({ content: 'x' }))
  assert.deepEqual(
    parsed(text).map(({ type }) => type),
    ['ping', 'ping', 'message_start', 'content_block_start', 'content_block_delta'],
  )
})

/** How engines end, and what the wire calls it. */
const endings: [string, object, number, string, string | null][] = [
  ['stop', {}, 3, 'end_turn', null],
  ['stop', { stop_reason: 'END' }, 3, 'stop_sequence', 'END'],
  ['stop', { stop_reason: 128009 }, 3, 'end_turn', null],
  ['stop', { stop_reason: 'another' }, 3, 'end_turn', null],
  ['length', {}, 100, 'max_tokens', null],
  ['length', {}, 40, 'model_context_window_exceeded', null],
  ['content_filter', {}, 3, 'refusal', null],
]

test('an answer ends for the reason that it has, streamed and whole', () => {
  for (const [finish, more, tokens, reason, sequence] of endings) {
    const events = told([
      chunk({ content: 'x' }),
      chunk({}, finish, more),
      usageChunk(5, tokens),
      DONE,
    ])
    const { stop_reason, stop_sequence } = events.at(-2)?.delta ?? {}
    assert.deepEqual([stop_reason, stop_sequence], [reason, sequence])
    const choice = { message: { content: 'x' }, finish_reason: finish, ...more }
    const usage = { prompt_tokens: 5, completion_tokens: tokens }
    const body = Buffer.from(JSON.stringify({ choices: [choice], usage }))
    const whole = messageOfAnswer(body, frame) as Record<string, unknown>
    assert.deepEqual([whole.stop_reason, whole.stop_sequence], [reason, sequence])
  }
})

test('where an engine does not tell usage, what came is counted', () => {
  const events = told([chunk({ content: 'a' }), chunk({ content: 'b' }), chunk({}, 'length'), DONE])
  const { usage, delta } = events.at(-2) ?? {}
  const { input_tokens, output_tokens } = usage as Record<string, number>
  assert.deepEqual([input_tokens, output_tokens], [12, 2])
  assert.equal(delta?.stop_reason, 'max_tokens')
})

test('an error of the engine is the last event, in the wire’s shape', () => {
  const error = { message: 'too long', code: 'context_length_exceeded', request_id: 'req_9' }
  const events = told([chunk({ content: 'a' }), `data: ${JSON.stringify({ error })}\n\n`, DONE])
  const last = events.at(-1) as unknown as Record<string, unknown>
  assert.deepEqual(last, {
    type: 'error',
    error: {
      type: 'invalid_request_error',
      message: 'prompt is too long: too long',
      details: { error_code: 'context_length_exceeded' },
    },
    request_id: 'req_9',
  })
})

// Round trips: what an engine says, through the wire and back as history.

const someText = fc.string({ unit: 'binary', minLength: 1, maxLength: 30 })
const someCall = fc.record({
  name: fc.stringMatching(/^[a-z_]{1,12}$/),
  input: fc.dictionary(fc.string({ maxLength: 6 }), fc.jsonValue({ maxDepth: 2 }), {
    maxKeys: 4,
  }),
})
const someAnswer = fc.record({
  thinking: fc.option(someText, { nil: '' }),
  content: fc.option(someText, { nil: '' }),
  calls: fc.array(someCall, { maxLength: 3 }),
})

type Answer = typeof someAnswer extends fc.Arbitrary<infer Value> ? Value : never

function chatMessageOf({ thinking, content, calls }: Answer): ChatMessage {
  const tool_calls = calls.map(({ name, input }, i) => ({
    id: `call_${i}`,
    type: 'function' as const,
    function: { name, arguments: JSON.stringify(input) },
  }))
  return {
    role: 'assistant',
    content: content === '' && calls.length > 0 ? null : content,
    ...(thinking !== '' && { reasoning_content: thinking }),
    ...(calls.length > 0 && { tool_calls }),
  }
}

/** The message in pieces of a few characters, never within one. */
function chunksOf(message: ChatMessage, size: number): string[] {
  const pieces = (text: string) => {
    const points = Array.from(text)
    const starts = points.map((_, i) => i).filter((i) => i % size === 0)
    return starts.map((at) => points.slice(at, at + size).join(''))
  }
  const calls = (message.tool_calls ?? []).flatMap(({ id, type, function: called }, index) => [
    chunk({ tool_calls: [{ index, id, type, function: { name: called.name, arguments: '' } }] }),
    ...pieces(called.arguments).map((text) =>
      chunk({ tool_calls: [{ index, function: { arguments: text } }] }),
    ),
  ])
  return [
    chunk({ role: 'assistant', content: '' }),
    ...pieces(message.reasoning_content ?? '').map((text) => chunk({ reasoning_content: text })),
    ...pieces((message.content as string | null) ?? '').map((text) => chunk({ content: text })),
    ...calls,
    chunk({}, calls.length > 0 ? 'tool_calls' : 'stop'),
    usageChunk(7, 5),
    DONE,
  ]
}

/** What a client has at the end of a stream. */
function collected(events: Sent[]): unknown[] {
  const blocks: Record<string, unknown>[] = []
  const json = new Map<number, string>()
  for (const { type, index, content_block, delta } of events) {
    if (type === 'content_block_start') blocks[index] = { ...content_block }
    const block = blocks[index]
    if (type !== 'content_block_delta' || block === undefined) continue
    const { type: kind, partial_json = '', ...rest } = delta
    if (kind === 'input_json_delta') json.set(index, (json.get(index) ?? '') + partial_json)
    for (const [key, text] of Object.entries(rest)) block[key] = String(block[key]) + text
  }
  for (const [index, text] of json)
    Object.assign(blocks[index] ?? {}, { input: parseExactly(text) })
  return blocks
}

test('what an engine says survives the way out and the way back, streamed and whole', () => {
  const seed = Number(process.hrtime.bigint() % 1_000_000n)
  const size = fc.integer({ min: 1, max: 8 })
  fc.assert(
    fc.property(someAnswer, size, (answer, pieceSize) => {
      const message = chatMessageOf(answer)
      const finish_reason = answer.calls.length > 0 ? 'tool_calls' : 'stop'
      const body = Buffer.from(JSON.stringify({ choices: [{ message, finish_reason }] }))
      const { content } = messageOfAnswer(body, frame) as { content: unknown[] }
      assert.deepEqual(collected(told(chunksOf(message, pieceSize))), content)
      const hello = { role: 'user', content: 'Hello' }
      const messages = [hello, { role: 'assistant', content }, hello]
      assert.deepEqual(chatMessages(undefined, messages)[1], message)
    }),
    { seed, numRuns: 300, verbose: 1 },
  )
})

/** What cannot be made a text, as its own `toString` is none. */
const notText = { choices: [{ finish_reason: { toString: '' } }], usage: null }

test('whatever an engine sends, nothing is thrown and the events stay in order', () => {
  const seed = Number(process.hrtime.bigint() % 1_000_000n)
  const odd = fc.jsonValue({ maxDepth: 3 })
  const key = fc.constantFrom(
    ...['content', 'reasoning', 'refusal', 'tool_calls', 'index', 'id', 'function', 'name'],
  )
  const delta = fc.oneof(odd, fc.dictionary(key, odd), fc.record({ tool_calls: fc.array(odd) }))
  const choice = fc.oneof(odd, fc.record({ delta, message: delta, finish_reason: odd }))
  const body = fc.oneof(odd, fc.record({ choices: fc.oneof(odd, fc.array(choice)), usage: odd }))
  fc.assert(
    fc.property(fc.array(body, { maxLength: 6 }), (bodies) => {
      const chunks = bodies.map((one) => `data: ${JSON.stringify(one)}\n\n`)
      const events = told([...chunks, chunk({}, 'stop'), DONE])
      let open: number | undefined
      let begun = 0
      for (const { type, index } of events.slice(1, -1)) {
        if (type === 'content_block_start') {
          assert.deepEqual([open, index], [undefined, begun])
          open = begun++
        } else if (type === 'content_block_stop') {
          assert.equal(index, open)
          open = undefined
        }
      }
      assert.equal(open, undefined)
      for (const one of bodies) messageOfAnswer(Buffer.from(JSON.stringify(one)), frame)
    }),
    { seed, numRuns: 500, verbose: 1, examples: [[[notText]]] },
  )
})
