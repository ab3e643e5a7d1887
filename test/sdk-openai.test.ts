/**
 * What a builder does with the official OpenAI client when all goes well, against the real server.
 */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type OpenAI from 'openai'
import { zodFunction, zodResponseFormat } from 'openai/helpers/zod'
import { z } from 'zod'
import { eventually } from '../src/base/test-eventually.ts'
import {
  ask,
  askStream,
  type Chunk,
  collect,
  holdSlot,
  inFlight,
  openAi,
  settled,
  textOf,
  thrownBy,
} from './sdk-clients.ts'
import { removeHome, startServer, type TestServer } from './server.ts'

let server: TestServer
let client: OpenAI

before(async () => {
  server = await startServer()
  client = openAi(server)
})
after(async () => {
  await server.stop()
  removeHome(server.home)
})

const usageOf = (row: { inputTokens: number; outputTokens: number }) => [
  row.inputTokens,
  row.outputTokens,
]

describe('a chat', () => {
  it('is answered, metered and traceable by its request id', async () => {
    const { data, request_id } = await client.chat.completions.create(ask()).withResponse()
    assert.equal(data.object, 'chat.completion')
    assert.ok((data.choices[0]?.message.content ?? '').length > 0)
    assert.ok(['stop', 'length'].includes(data.choices[0]?.finish_reason ?? ''))
    const row = await settled(server, request_id ?? '')
    assert.equal(row.group, 'finished')
    assert.deepEqual(usageOf(row), [data.usage?.prompt_tokens, data.usage?.completion_tokens])
  })

  it('streams the same words as it answers at once', async () => {
    const plain = await client.chat.completions.create(ask({ temperature: 0 }))
    const chunks = await collect(
      await client.chat.completions.create(askStream({ temperature: 0 })),
    )
    assert.equal(textOf(chunks), plain.choices[0]?.message.content)
    assert.equal(chunks.at(-1)?.choices[0]?.finish_reason, plain.choices[0]?.finish_reason)
  })

  it('tells usage in a last chunk of its own where the client asked, and else nowhere', async () => {
    const silent = await collect(await client.chat.completions.create(askStream()))
    assert.ok(silent.every(({ usage, choices }) => !usage && choices.length === 1))
    const options = { stream_options: { include_usage: true } }
    const told = await collect(await client.chat.completions.create(askStream(options)))
    const last = told.at(-1)
    assert.deepEqual(last?.choices, [])
    assert.ok((last?.usage?.completion_tokens ?? 0) > 0)
    assert.ok(told.slice(0, -1).every(({ usage }) => !usage))
  })

  it('can be followed with the event helper, which adds the parts up', async () => {
    const stream = client.chat.completions.stream(askStream({ temperature: 0 }))
    const pieces: string[] = []
    stream.on('content', (delta) => pieces.push(delta))
    const final = await stream.finalChatCompletion()
    assert.equal(pieces.join(''), final.choices[0]?.message.content)
  })

  it('answers n times over, with log probabilities, up to a stop word', async () => {
    const many = await client.chat.completions.create(ask({ n: 3 }))
    assert.deepEqual(
      many.choices.map(({ index }) => index),
      [0, 1, 2],
    )
    const probable = await client.chat.completions.create(
      ask({ max_tokens: 3, logprobs: true, top_logprobs: 2 }),
    )
    const tokens = probable.choices[0]?.logprobs?.content ?? []
    assert.equal(tokens.length, probable.usage?.completion_tokens)
    assert.ok(tokens.every((token) => token.logprob <= 0 && token.top_logprobs.length === 2))
    const whole = await client.chat.completions.create(ask({ temperature: 0, max_tokens: 60 }))
    const text = whole.choices[0]?.message.content ?? ''
    const stop = text.trim().split(' ')[2] ?? ''
    const cut = await client.chat.completions.create(ask({ temperature: 0, max_tokens: 60, stop }))
    assert.equal(cut.choices[0]?.message.content, text.slice(0, text.indexOf(stop)))
    assert.equal(cut.choices[0]?.finish_reason, 'stop')
  })

  it('gives the same text for the same seed when it runs alone', async () => {
    const text = async (seed: number) => {
      const answer = await client.chat.completions.create(ask({ seed, max_tokens: 40 }))
      return answer.choices[0]?.message.content
    }
    assert.equal(await text(7), await text(7))
    const others = await Promise.all([1, 2, 3, 4].map(text))
    assert.ok(new Set(others).size > 1, 'different seeds give different texts')
  })

  it('passes over parameters that it does not know', async () => {
    const unknown = { store: true, reasoning_effort: 'low', prompt_cache_key: 'x', surprise: 1 }
    const answer = await client.chat.completions.create(ask(unknown))
    assert.equal(answer.choices.length, 1)
  })

  it('answers many at once, each with its own text and usage', async () => {
    const all = await Promise.all(
      Array.from({ length: 24 }, (_, i) =>
        client.chat.completions.create(ask({ max_tokens: i + 1, ignore_eos: true })),
      ),
    )
    assert.deepEqual(
      all.map(({ usage }) => usage?.completion_tokens),
      all.map((_, i) => i + 1),
    )
  })
})

const weather = zodFunction({
  name: 'get_weather',
  parameters: z.object({ city: z.enum(['Oslo', 'Rome']), inCelsius: z.boolean() }),
})
const clock = zodFunction({ name: 'get_time', parameters: z.object({ utc: z.boolean() }) })
const tools = [weather, clock]
const named = { type: 'function', function: { name: 'get_time' } }

const callsIn = (chunks: Chunk[]) =>
  chunks.flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? [])

describe('tools', () => {
  it('may be used or not with "auto", and are not with "none"', async () => {
    const request = { tools, max_tokens: 30, ignore_eos: true }
    const auto = await client.chat.completions.create(ask({ ...request, tool_choice: 'auto' }))
    const { content, tool_calls } = auto.choices[0]?.message ?? {}
    assert.ok(content || tool_calls?.length)
    const none = await client.chat.completions.create(ask({ ...request, tool_choice: 'none' }))
    assert.equal(none.choices[0]?.message.tool_calls, undefined)
  })

  it('are called with arguments that the helpers can parse', async () => {
    // The toy model goes on to another call as often as it likes.
    const params = { tools, max_tokens: 2000, tool_choice: 'required' as const }
    const answer = await client.chat.completions.parse({ ...ask(), ...params })
    const [choice] = answer.choices
    assert.equal(choice?.finish_reason, 'tool_calls')
    const [call] = choice?.message.tool_calls ?? []
    assert.ok(call?.type === 'function' && ['get_weather', 'get_time'].includes(call.function.name))
    assert.equal(typeof call.function.parsed_arguments, 'object')
  })

  it('are called by name, whole and streamed', async () => {
    const params = { tools, max_tokens: 200, tool_choice: named }
    const whole = await client.chat.completions.create(ask(params))
    const [call] = whole.choices[0]?.message.tool_calls ?? []
    assert.ok(call?.type === 'function')
    assert.equal(call.function.name, 'get_time')
    const chunks = await collect(await client.chat.completions.create(askStream(params)))
    const parts = callsIn(chunks)
    assert.equal(parts[0]?.function?.name, 'get_time')
    assert.ok(parts[0]?.id)
    const json = parts.map((part) => part.function?.arguments ?? '').join('')
    assert.equal(typeof JSON.parse(json).utc, 'boolean')
    assert.equal(chunks.at(-1)?.choices[0]?.finish_reason, 'tool_calls')
  })

  it('go on after their result', async () => {
    const params = { tools, max_tokens: 200, tool_choice: named }
    const first = await client.chat.completions.create(ask(params))
    const message = first.choices[0]?.message
    const id = message?.tool_calls?.[0]?.id
    const messages = [
      ...ask().messages,
      message,
      { role: 'tool', tool_call_id: id, content: '12:00' },
    ]
    const next = await client.chat.completions.create(ask({ messages, tools }))
    assert.equal(next.choices.length, 1)
    assert.ok((next.usage?.prompt_tokens ?? 0) > (first.usage?.prompt_tokens ?? 0))
  })
})

describe('structured output', () => {
  it('is JSON where a JSON object is asked for', async () => {
    const answer = await client.chat.completions.create(
      ask({ response_format: { type: 'json_object' }, max_tokens: 400, temperature: 0 }),
    )
    if (answer.choices[0]?.finish_reason === 'stop') {
      assert.equal(typeof JSON.parse(answer.choices[0].message.content ?? ''), 'object')
    } else assert.equal(answer.choices[0]?.finish_reason, 'length')
  })

  it('keeps to a strict schema, which the helpers parse', async () => {
    const Mill = z.object({
      river: z.enum(['Rhine', 'Elbe']),
      runs: z.boolean(),
      wheels: z.array(z.object({ wood: z.enum(['oak', 'elm']) })).max(2),
    })
    const format = zodResponseFormat(Mill, 'mill')
    const answer = await client.chat.completions.parse({
      ...ask({ max_tokens: 300 }),
      response_format: format,
    })
    const parsed = answer.choices[0]?.message.parsed
    assert.deepEqual(Mill.parse(parsed), parsed)
    const chunks = await collect(
      await client.chat.completions.create(askStream({ max_tokens: 300, response_format: format })),
    )
    Mill.parse(JSON.parse(textOf(chunks)))
  })
})

describe('the other endpoints', () => {
  it('complete a text, whole and streamed', async () => {
    const params = { model: 'toy', prompt: 'The mill', max_tokens: 12, temperature: 0 }
    const whole = await client.completions.create(params)
    const chunks = await collect(await client.completions.create({ ...params, stream: true }))
    assert.equal(whole.object, 'text_completion')
    assert.equal(
      chunks.map(({ choices }) => choices[0]?.text ?? '').join(''),
      whole.choices[0]?.text,
    )
  })

  it('embed texts, as numbers and packed', async () => {
    const input = ['a mill', 'a river', 'a mill']
    const params = { model: 'toy', input }
    const packed = await client.embeddings.create(params)
    const plain = await client.embeddings.create({ ...params, encoding_format: 'float' })
    assert.equal(packed.data.length, 3)
    assert.deepEqual(packed.data[0]?.embedding, packed.data[2]?.embedding)
    const pairs = packed.data.map(({ embedding }, i) => [embedding, plain.data[i]?.embedding])
    for (const [one, other = []] of pairs) {
      assert.ok(one?.every((value, i) => Math.abs(value - (other[i] ?? 9)) < 1e-6))
    }
    assert.ok(plain.usage.prompt_tokens > 0)
  })

  it('list the models and describe one', async () => {
    const names = (await collect(await client.models.list())).map(({ id }) => id)
    assert.deepEqual(names, ['toy'])
    const model = await client.models.retrieve('toy')
    assert.equal(model.object, 'model')
    assert.equal((model as unknown as { toy?: boolean }).toy, true)
  })
})

describe('the service tier', () => {
  const served = async (tier: string | undefined, header?: string) => {
    const { data, response } = await client.chat.completions
      .create(ask({ service_tier: tier, max_tokens: 2 }), {
        headers: header === undefined ? {} : { 'x-gristmill-class': header },
      })
      .withResponse()
    return [data.service_tier, response.headers.get('x-gristmill-class')]
  }

  it('comes back as the tier that served', async () => {
    const tiers = [undefined, 'auto', 'scale', 'default', 'standard', 'flex', 'priority', 'batch']
    const found = []
    for (const tier of tiers) found.push((await served(tier))[0])
    const expected = ['default', 'default', 'default', 'default', 'default']
    assert.deepEqual(found, [...expected, 'flex', 'priority', 'batch'])
  })

  it('is lowered by a header, and never raised', async () => {
    assert.deepEqual(await served('priority', 'flex'), ['flex', 'flex'])
    assert.deepEqual(await served('flex', 'priority'), ['flex', 'flex'])
    assert.deepEqual(await served('default', 'batch'), ['batch', 'batch'])
  })

  it('stands in the first chunk of a stream', async () => {
    const params = askStream({ service_tier: 'flex' })
    const [first] = await collect(await client.chat.completions.create(params))
    assert.equal(first?.service_tier, 'flex')
  })
})

describe('a client that goes away', () => {
  it('frees its slot at once, and pays for what the engine made', async () => {
    const held = await holdSlot(client)
    assert.equal(await inFlight(server), 1)
    held.release()
    await held.ended
    await eventually('the slot is free', async () => (await inFlight(server)) === 0)
    const row = await settled(server, held.requestId)
    assert.deepEqual([row.group, row.end, row.estimated], ['cut', 'client_gone', false])
    assert.ok(row.outputTokens > 0 && row.outputTokens < 3900)
    const { rows } = await server.api<{ rows: { url: string }[] }>('GET', '/api/engines')
    const response = await fetch(`${rows[0]?.url}/v1/requests/${held.requestId}`)
    const count = (await response.json()) as Record<string, unknown>
    assert.deepEqual(
      [count.state, count.prompt_tokens, count.completion_tokens],
      ['ended', row.inputTokens, row.outputTokens],
    )
  })

  it('does so too when it gives up by its own timeout', async () => {
    const slow = ask({ max_tokens: 3900, n: 8, ignore_eos: true })
    const error = await thrownBy(client.chat.completions.create(slow, { timeout: 500 }))
    assert.equal(error.constructor.name, 'APIConnectionTimeoutError')
    await eventually('the slot is free', async () => (await inFlight(server)) === 0)
  })

  it('leaves the next answer whole', async () => {
    const before = await client.chat.completions.create(ask({ temperature: 0 }))
    for (let i = 0; i < 5; i++) {
      const held = await holdSlot(client)
      held.release()
      await held.ended
    }
    const after = await client.chat.completions.create(ask({ temperature: 0 }))
    assert.equal(after.choices[0]?.message.content, before.choices[0]?.message.content)
  })
})
