/**
 * Answers of the Messages wire as clients of the chat wire get them. The streams are built from the
 * public description of the wire.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EngineSink } from '../types.ts'
import { ChatSink } from './chat-sink.ts'

type Json = Record<string, unknown>

const event = (data: Json) => `event: ${String(data.type)}\ndata: ${JSON.stringify(data)}\n\n`
const start = (usage: Json = { input_tokens: 10, output_tokens: 1 }) =>
  event({ type: 'message_start', message: { id: 'msg_1', model: 'claude', content: [], usage } })
const block = (index: number, content_block: Json) =>
  event({ type: 'content_block_start', index, content_block })
const delta = (index: number, given: Json) =>
  event({ type: 'content_block_delta', index, delta: given })
const stop = (index: number) => event({ type: 'content_block_stop', index })
const end = (given: Json, usage: Json) =>
  event({ type: 'message_delta', delta: given, usage }) + event({ type: 'message_stop' })

/** Feeds a stream in pieces of `size` bytes; returns what a client of the chat wire would read. */
function told(stream: string, size = 7) {
  const seen = { text: '', ended: false, failure: undefined as Error | undefined, status: 0 }
  const sink: EngineSink = {
    head: (status) => {
      seen.status = status
    },
    data: (bytes) => {
      seen.text += Buffer.from(bytes).toString()
      return true
    },
    end: () => {
      seen.ended = true
    },
    fail: (error) => {
      seen.failure = error
    },
  }
  const chat = new ChatSink(sink, { isStream: true, created: 5, bytesMax: 10_000 })
  chat.head(200, {})
  const bytes = Buffer.from(stream)
  for (let at = 0; at < bytes.length; at += size) chat.data(bytes.subarray(at, at + size))
  chat.end()
  const events = seen.text.split('\n\n').filter((one) => one.startsWith('data:'))
  const data = events.map((one) => one.slice(6))
  const chunks = data.filter((one) => one !== '[DONE]').map((one) => JSON.parse(one) as Chunk)
  return { ...seen, isDone: data.at(-1) === '[DONE]', chunks }
}

interface Chunk {
  id: string
  created: number
  model: string
  choices: { delta: Json; finish_reason: string | null; stop_reason?: string }[]
  usage?: Json
  error?: Json
}

const deltas = (chunks: Chunk[]) => chunks.flatMap(({ choices }) => choices.map((one) => one.delta))

test('text, a picture of the wire: role, words, reason, usage, done', () => {
  const stream =
    start({ input_tokens: 3, cache_read_input_tokens: 5, cache_creation_input_tokens: 2 }) +
    block(0, { type: 'text', text: '' }) +
    event({ type: 'ping' }) +
    delta(0, { type: 'text_delta', text: 'Hello ' }) +
    delta(0, { type: 'text_delta', text: '"wörld"\n水' }) +
    stop(0) +
    end(
      { stop_reason: 'stop_sequence', stop_sequence: 'END' },
      { output_tokens: 9, output_tokens_details: { thinking_tokens: 4 } },
    )
  for (const size of [1, 7, 4096]) {
    const { chunks, isDone, ended } = told(stream, size)
    assert.deepEqual([isDone, ended], [true, true])
    assert.deepEqual(deltas(chunks), [
      { role: 'assistant', content: '' },
      { content: 'Hello ' },
      { content: '"wörld"\n水' },
      {},
    ])
    const last = chunks.at(-2)
    assert.deepEqual(last?.choices[0], {
      index: 0,
      delta: {},
      finish_reason: 'stop',
      stop_reason: 'END',
    })
    assert.deepEqual(chunks.at(-1)?.usage, {
      prompt_tokens: 10,
      completion_tokens: 9,
      total_tokens: 19,
      prompt_tokens_details: { cached_tokens: 5, cache_creation_tokens: 2 },
      completion_tokens_details: { reasoning_tokens: 4 },
    })
    assert.ok(
      chunks.every(({ id, created, model }) => `${id} ${created} ${model}` === 'msg_1 5 claude'),
    )
  }
})

test('thinking comes as it is thought, and once more with its signature', () => {
  const { chunks } = told(
    start() +
      block(0, { type: 'thinking', thinking: '', signature: '' }) +
      delta(0, { type: 'thinking_delta', thinking: 'Hm' }) +
      delta(0, { type: 'thinking_delta', thinking: '.' }) +
      delta(0, { type: 'signature_delta', signature: 'abc' }) +
      stop(0) +
      block(1, { type: 'redacted_thinking', data: 'xyz' }) +
      stop(1) +
      end({ stop_reason: 'end_turn' }, { output_tokens: 2 }),
  )
  assert.deepEqual(deltas(chunks).slice(1, -1), [
    { reasoning_content: 'Hm' },
    { reasoning_content: '.' },
    { thinking_blocks: [{ type: 'thinking', thinking: 'Hm.', signature: 'abc' }] },
    { thinking_blocks: [{ type: 'redacted_thinking', data: 'xyz' }] },
  ])
})

test('calls are counted by themselves, whatever blocks stand between', () => {
  const { chunks } = told(
    start() +
      block(0, { type: 'text', text: '' }) +
      stop(0) +
      block(1, { type: 'tool_use', id: 'a', name: 'look', input: {} }) +
      delta(1, { type: 'input_json_delta', partial_json: '{"x":' }) +
      delta(1, { type: 'input_json_delta', partial_json: '1}' }) +
      stop(1) +
      block(2, { type: 'tool_use', id: 'b', name: 'wait', input: {} }) +
      stop(2) +
      end({ stop_reason: 'tool_use' }, { output_tokens: 5 }),
  )
  const begun = (index: number, id: string, name: string) => ({
    tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }],
  })
  const more = (text: string) => ({ tool_calls: [{ index: 0, function: { arguments: text } }] })
  assert.deepEqual(deltas(chunks).slice(1, -1), [
    begun(0, 'a', 'look'),
    more('{"x":'),
    more('1}'),
    begun(1, 'b', 'wait'),
  ])
  assert.equal(chunks.at(-2)?.choices[0]?.finish_reason, 'tool_calls')
})

test('every way to end has its reason', () => {
  const reasonOf = (stop_reason: string) =>
    told(start() + end({ stop_reason }, { output_tokens: 1 })).chunks.at(-2)?.choices[0]
      ?.finish_reason
  const reasons = {
    end_turn: 'stop',
    pause_turn: 'stop',
    max_tokens: 'length',
    model_context_window_exceeded: 'length',
    refusal: 'content_filter',
    something_new: 'stop',
  }
  for (const [theirs, ours] of Object.entries(reasons)) assert.equal(reasonOf(theirs), ours)
})

test('an error within a stream stays one, and a stream that breaks off is not done', () => {
  const error = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }
  const { chunks } = told(start() + event(error))
  assert.equal(chunks.at(-1)?.error?.message, 'Overloaded')
  assert.equal(told(start() + block(0, { type: 'text', text: 'Half' })).isDone, false)
})

test('an event without an end is not held without end', () => {
  const { failure, ended } = told(`data: ${'x'.repeat(20_000)}`, 1000)
  assert.match(failure?.message ?? '', /more than 10000 bytes/)
  assert.equal(ended, false)
})

/** What a client gets for a whole answer. */
function whole(status: number, body: unknown) {
  const seen = { status: 0, body: {} as Json, failure: '' }
  const sink: EngineSink = {
    head: (given) => {
      seen.status = given
    },
    data: (bytes) => {
      seen.body = JSON.parse(Buffer.from(bytes).toString()) as Json
      return true
    },
    end: () => undefined,
    fail: (error) => {
      seen.failure = error.message
    },
  }
  const chat = new ChatSink(sink, { isStream: false, created: 5, bytesMax: 10_000 })
  chat.head(status, {})
  chat.data(Buffer.from(JSON.stringify(body)))
  chat.end()
  return seen
}

test('a whole message becomes a whole answer', () => {
  const { status, body } = whole(200, {
    type: 'message',
    id: 'msg_1',
    model: 'claude',
    content: [
      { type: 'thinking', thinking: 'Hm', signature: 'abc' },
      { type: 'text', text: 'I look.' },
      { type: 'tool_use', id: 'a', name: 'look', input: { x: 1 } },
    ],
    stop_reason: 'tool_use',
    stop_sequence: null,
    usage: { input_tokens: 4, output_tokens: 6 },
  })
  assert.equal(status, 200)
  assert.deepEqual(body.choices, [
    {
      index: 0,
      message: {
        role: 'assistant',
        content: 'I look.',
        reasoning_content: 'Hm',
        thinking_blocks: [{ type: 'thinking', thinking: 'Hm', signature: 'abc' }],
        tool_calls: [
          { id: 'a', type: 'function', function: { name: 'look', arguments: '{"x":1}' } },
        ],
      },
      finish_reason: 'tool_calls',
    },
  ])
  assert.equal((body.usage as Json).total_tokens, 10)
})

test('refusals come in the shape of the chat wire, and what is no message fails', () => {
  const error = (type: string, message: string) => ({ type: 'error', error: { type, message } })
  const long = whole(
    400,
    error('invalid_request_error', 'prompt is too long: 9 tokens > 8 maximum'),
  )
  assert.equal(long.status, 400)
  assert.deepEqual(long.body.error, {
    message: 'prompt is too long: 9 tokens > 8 maximum',
    type: 'invalid_request_error',
    param: null,
    code: 'context_length_exceeded',
  })
  assert.equal(whole(529, error('overloaded_error', 'Overloaded')).status, 503)
  assert.equal(whole(200, { hello: 1 }).failure, 'its answer is no message')
})
