/**
 * What a builder does with the official Anthropic client when all goes well, against the real
 * server.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type Anthropic from '@anthropic-ai/sdk'
import { anthropic, askMessage as ask } from './anthropic-client.ts'
import { settled } from './sdk-clients.ts'
import { removeHome, startServer, type TestServer } from './server.ts'

let server: TestServer
let client: Anthropic

before(async () => {
  server = await startServer()
  client = anthropic(server)
})
after(async () => {
  await server.stop()
  removeHome(server.home)
})

const textOf = ({ content }: Anthropic.Message) =>
  content.map((block) => (block.type === 'text' ? block.text : '')).join('')

/** What the ledger has, as this wire counts: cached tokens are no input tokens. */
async function isOnLedger(requestId: string | null | undefined, usage: Anthropic.Usage) {
  const row = await settled(server, requestId ?? '')
  const { inputTokens, cachedTokens, outputTokens, estimated, endpoint } = row
  const { input_tokens, cache_read_input_tokens, output_tokens } = usage
  assert.deepEqual(
    [inputTokens - cachedTokens, cachedTokens, outputTokens],
    [input_tokens, cache_read_input_tokens, output_tokens],
  )
  assert.deepEqual([estimated, endpoint], [false, '/v1/messages'])
}

describe('a message', () => {
  it('is answered, metered and traceable by its request id', async () => {
    const { data, request_id } = await client.messages.create(ask()).withResponse()
    assert.ok(textOf(data).length > 0)
    assert.ok(['end_turn', 'max_tokens'].includes(data.stop_reason ?? ''))
    await isOnLedger(request_id, data.usage)
  })

  it('is answered for a key as bearer too, and on the path of betas', async () => {
    const bearer = anthropic(server, '', { apiKey: null, authToken: server.apiKey })
    assert.ok(textOf(await bearer.messages.create(ask())).length > 0)
    const beta = await client.beta.messages.create({ ...ask(), betas: ['some-beta-2026-01-01'] })
    assert.equal(beta.role, 'assistant')
  })

  it('streams the same words as it answers at once', async () => {
    const plain = await client.messages.create(ask({ temperature: 0 }))
    const stream = client.messages.stream(ask({ temperature: 0 }))
    const pieces: string[] = []
    stream.on('text', (delta) => pieces.push(delta))
    const final = await stream.finalMessage()
    assert.equal(textOf(final), textOf(plain))
    assert.equal(pieces.join(''), textOf(plain))
    assert.ok(pieces.length > 1)
    assert.equal(final.stop_reason, plain.stop_reason)
    await isOnLedger(stream.request_id, final.usage)
  })

  it('has its events in the order of the wire', async () => {
    const types: string[] = []
    const stream = await client.messages.create({ ...ask({ ignore_eos: true }), stream: true })
    for await (const { type } of stream) if (type !== types.at(-1)) types.push(type)
    assert.deepEqual(types, [
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ])
  })

  it('ends at a stop sequence and says at which', async () => {
    const whole = textOf(await client.messages.create(ask({ temperature: 0, max_tokens: 60 })))
    const stop = whole.trim().split(' ')[2] ?? ''
    const changes = { temperature: 0, max_tokens: 60, stop_sequences: ['zebra', stop] }
    const cut = await client.messages.create(ask(changes))
    const streamed = await client.messages.stream(ask(changes)).finalMessage()
    for (const message of [cut, streamed]) {
      assert.equal(textOf(message), whole.slice(0, whole.indexOf(stop)))
      assert.deepEqual([message.stop_reason, message.stop_sequence], ['stop_sequence', stop])
    }
  })

  it('may name a bound beyond the context, and is told when that was the end', async () => {
    const params = ask({ max_tokens: 8192, ignore_eos: true })
    const message = await client.messages.stream(params).finalMessage()
    assert.equal(message.stop_reason, 'model_context_window_exceeded')
    const { input_tokens, output_tokens } = message.usage
    const cached = message.usage.cache_read_input_tokens ?? 0
    assert.ok(input_tokens + cached + output_tokens <= 4096)
    const short = await client.messages.create(ask({ max_tokens: 5, ignore_eos: true }))
    assert.deepEqual([short.stop_reason, short.usage.output_tokens], ['max_tokens', 5])
  })

  it('reads a long history, cached where it was read before', async () => {
    const system = [
      {
        type: 'text',
        text: 'The mill stands by the river. '.repeat(60),
        cache_control: { type: 'ephemeral' },
      },
    ]
    const messages = [
      { role: 'user', content: [{ type: 'text', text: 'Where is it?' }] },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'By the river.', signature: 'EqQBCgIYAh…' },
          { type: 'text', text: 'By the river.' },
        ],
      },
      { role: 'user', content: 'And what turns it?' },
    ]
    await client.messages.create(ask({ system, messages }))
    const { data, request_id } = await client.messages
      .create(ask({ system, messages }))
      .withResponse()
    assert.ok((data.usage.cache_read_input_tokens ?? 0) > 100)
    await isOnLedger(request_id, data.usage)
  })
})

const schema = (properties: object) => ({
  type: 'object' as const,
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
})
const tools: Anthropic.Tool[] = [
  {
    name: 'get_weather',
    input_schema: schema({ city: { enum: ['Oslo', 'Rome'] }, inCelsius: { type: 'boolean' } }),
  },
  { name: 'get_time', input_schema: schema({ utc: { type: 'boolean' } }) },
]

const callIn = ({ content }: Anthropic.Message) =>
  content.find((block) => block.type === 'tool_use')

describe('tools', () => {
  it('may be used or not with auto, and are not with none', async () => {
    const request = { tools, max_tokens: 30, ignore_eos: true }
    const auto = await client.messages.create(ask({ ...request, tool_choice: { type: 'auto' } }))
    assert.ok(auto.content.length > 0)
    const none = await client.messages.create(ask({ ...request, tool_choice: { type: 'none' } }))
    assert.equal(callIn(none), undefined)
  })

  it('are called where one must be, any of them or the one that is named', async () => {
    const request = { tools, max_tokens: 2000 }
    const any = await client.messages.create(ask({ ...request, tool_choice: { type: 'any' } }))
    assert.equal(any.stop_reason, 'tool_use')
    assert.ok(['get_weather', 'get_time'].includes(callIn(any)?.name ?? ''))
    const choice = { type: 'tool', name: 'get_time', disable_parallel_tool_use: true }
    const stream = client.messages.stream(ask({ ...request, tool_choice: choice }))
    const parts: string[] = []
    stream.on('inputJson', (delta) => parts.push(delta))
    const named = await stream.finalMessage()
    const call = callIn(named)
    assert.equal(call?.name, 'get_time')
    assert.match(JSON.stringify(call?.input), /^\{"utc":(true|false)\}$/)
    assert.deepEqual(JSON.parse(parts.join('')), call?.input)
    assert.equal(named.stop_reason, 'tool_use')
  })

  it('go on after their result', async () => {
    const choice = { type: 'tool', name: 'get_time' }
    const params = { tools, max_tokens: 200, tool_choice: choice }
    const first = await client.messages.create(ask(params))
    const result = { type: 'tool_result', tool_use_id: callIn(first)?.id, content: '12:00' }
    const messages = [
      ...ask().messages,
      { role: 'assistant', content: first.content },
      { role: 'user', content: [result] },
    ]
    const next = await client.messages.create(ask({ messages, tools }))
    assert.ok(next.content.length > 0)
    const read = ({ usage }: Anthropic.Message) =>
      usage.input_tokens + (usage.cache_read_input_tokens ?? 0)
    assert.ok(read(next) > read(first))
  })
})

describe('structured output', () => {
  it('keeps to the schema', async () => {
    const format = {
      type: 'json_schema',
      schema: schema({ river: { enum: ['Rhine', 'Elbe'] }, runs: { type: 'boolean' } }),
    }
    const answer = await client.messages.create(ask({ max_tokens: 300, output_config: { format } }))
    const parsed = JSON.parse(textOf(answer)) as Record<string, unknown>
    assert.ok(['Rhine', 'Elbe'].includes(String(parsed.river)))
    assert.equal(typeof parsed.runs, 'boolean')
  })
})

describe('beside messages', () => {
  it('tokens are counted as the engine counts them', async () => {
    const { max_tokens: _, ...prompt } = ask({ tools, system: 'Be brief.' })
    const { data, response } = await client.messages.countTokens(prompt).withResponse()
    assert.equal(response.headers.get('x-gristmill-token-count'), 'engine')
    const { usage } = await client.messages.create(ask({ tools, system: 'Be brief.' }))
    assert.equal(data.input_tokens, usage.input_tokens + (usage.cache_read_input_tokens ?? 0))
  })

  it('models are listed and described', async () => {
    const names: string[] = []
    for await (const { id } of client.models.list()) names.push(id)
    assert.deepEqual(names, ['toy'])
    assert.equal((await client.models.retrieve('toy')).max_input_tokens, 4096)
  })

  it('a probe of the address finds somebody', async () => {
    assert.equal((await fetch(server.url, { method: 'HEAD' })).status, 200)
  })
})
