/** What a builder does with Vercel's `ai` and its provider for OpenAI-compatible servers. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import {
  APICallError,
  embedMany,
  generateText,
  Output,
  RetryError,
  stepCountIs,
  streamText,
  tool,
} from 'ai'
import { z } from 'zod'
import { eventually } from '../src/base/test-eventually.ts'
import { ask, collect, holdSlot, inFlight, openAi, thrownBy, waitingOf } from './sdk-clients.ts'
import { removeHome, startServer, type TestServer } from './server.ts'

let server: TestServer

before(async () => {
  server = await startServer({ env: { GRISTMILL_COMMIT_AFTER: '400' } })
})
after(async () => {
  await server.stop()
  removeHome(server.home)
})

/** The provider as an application sets it up. */
const providerOf = (apiKey: string) =>
  createOpenAICompatible({
    name: 'gristmill',
    baseURL: `${server.url}/v1`,
    apiKey,
    includeUsage: true,
    supportsStructuredOutputs: true,
  })
const toy = (apiKey = server.apiKey) => providerOf(apiKey)('toy')

const question = { prompt: 'What turns the wheel?', maxOutputTokens: 20, maxRetries: 0 }

describe('text', () => {
  it('is generated, with usage and the reason of its end', async () => {
    const { text, usage, finishReason } = await generateText({ model: toy(), ...question })
    assert.ok(text.length > 0)
    assert.ok((usage.inputTokens ?? 0) > 0 && (usage.outputTokens ?? 0) > 0)
    assert.ok(['stop', 'length'].includes(finishReason))
  })

  it('is streamed piece by piece, the same as at once', async () => {
    const cold = { model: toy(), ...question, temperature: 0 }
    const stream = streamText(cold)
    const pieces = await collect(stream.textStream)
    assert.ok(pieces.length > 1)
    assert.equal(pieces.join(''), (await generateText(cold)).text)
    assert.ok(((await stream.usage).outputTokens ?? 0) > 0)
  })
})

describe('tools', () => {
  const grind = tool({
    description: 'Grinds grain',
    inputSchema: z.object({ grain: z.enum(['rye', 'oat']), fine: z.boolean() }),
    execute: ({ grain, fine }) => `${fine ? 'fine' : 'coarse'} ${grain} flour`,
  })
  const withTools = {
    ...question,
    // Without one, a call may by chance have so many blanks that it does not end in time.
    seed: 1,
    maxOutputTokens: 200,
    tools: { grind },
    toolChoice: 'required' as const,
  }

  it('are called and their results go back to the model', async () => {
    const stopWhen = stepCountIs(2)
    const { steps } = await generateText({ model: toy(), ...withTools, stopWhen })
    assert.equal(steps.length, 2)
    const [result] = steps[0]?.toolResults ?? []
    assert.match(String(result?.output), /^(fine|coarse) (rye|oat) flour$/)
  })

  it('are called in a stream', async () => {
    const stream = streamText({ model: toy(), ...withTools })
    const [call] = await stream.toolCalls
    assert.equal(call?.toolName, 'grind')
    assert.equal(await stream.finishReason, 'tool-calls')
  })
})

describe('structured output', () => {
  const schema = z.object({ river: z.enum(['Rhine', 'Elbe']), runs: z.boolean() })
  const output = Output.object({ schema })

  it('keeps to the schema, whole and streamed', async () => {
    const params = { ...question, maxOutputTokens: 200, output }
    const whole = await generateText({ model: toy(), ...params })
    assert.deepEqual(schema.parse(whole.output), whole.output)
    const stream = streamText({ model: toy(), ...params })
    await collect(stream.textStream)
    schema.parse(await stream.output)
  })
})

describe('embeddings', () => {
  it('are made of many texts', async () => {
    const model = providerOf(server.apiKey).embeddingModel('toy')
    const { embeddings } = await embedMany({ model, values: ['a mill', 'a river', 'a mill'] })
    assert.equal(embeddings.length, 3)
    assert.deepEqual(embeddings[0], embeddings[2])
  })
})

describe('an abort', () => {
  it('ends the stream and frees the slot', async () => {
    const abort = new AbortController()
    const stream = streamText({
      model: toy(),
      ...question,
      maxOutputTokens: 4000,
      abortSignal: abort.signal,
      onError: () => {},
    })
    const kinds: string[] = []
    for await (const part of stream.fullStream) {
      kinds.push(part.type)
      if (part.type === 'text-delta') abort.abort()
    }
    assert.equal(kinds.at(-1), 'abort')
    await eventually('the slot is free', async () => (await inFlight(server)) === 0)
  })
})

type Row = [failure: string, thrown: string, status: string]
const table: Row[] = []

async function fails(row: Row, attempt: PromiseLike<unknown>): Promise<APICallError> {
  const error = await thrownBy(attempt)
  const call = RetryError.isInstance(error) ? error.lastError : error
  assert.ok(APICallError.isInstance(call), String(error))
  const name = RetryError.isInstance(error) ? 'AI_RetryError' : call.name
  assert.deepEqual([name, String(call.statusCode ?? '-')], row.slice(1), call.message)
  table.push(row)
  return call
}

describe('a failure', () => {
  it('is an APICallError that says whether to try again', async () => {
    const wrongKey = await fails(
      ['wrong key', 'AI_APICallError', '401'],
      generateText({ model: toy('gm-wrong'), ...question, maxRetries: 2 }),
    )
    assert.equal(wrongKey.isRetryable, false)
    assert.match(wrongKey.message, /not valid/)
    await fails(
      ['wrong model', 'AI_APICallError', '404'],
      generateText({ model: providerOf(server.apiKey)('gpt-17'), ...question }),
    )
    const long = { ...question, prompt: 'mill '.repeat(5000) }
    const tooLong = await fails(
      ['prompt too long', 'AI_APICallError', '400'],
      generateText({ model: toy(), ...long }),
    )
    assert.match(tooLong.responseBody ?? '', /context_length_exceeded/)
  })

  it('of a busy server can be tried again', async () => {
    const limits = { concurrencyMax: 1, queueDepthMax: 1 }
    const { key } = await server.tenant('busy', { limits })
    const held = await holdSlot(openAi(server, key))
    const waiting = openAi(server, key).chat.completions.create(ask())
    await eventually('one waits', async () => (await waitingOf(server, key)) === 1)
    const call = await fails(
      ['full queue', 'AI_APICallError', '429'],
      generateText({ model: toy(key), ...question }),
    )
    assert.equal(call.isRetryable, true)
    await fails(
      ['full queue, with retries', 'AI_RetryError', '429'],
      generateText({ model: toy(key), ...question, maxRetries: 1 }),
    )
    held.release()
    await Promise.all([held.ended, waiting])
  })

  it('after the wait is an error; in a stream that has begun it is a part', async () => {
    const { key } = await server.tenant('waiting', { limits: { concurrencyMax: 1 } })
    const held = await holdSlot(openAi(server, key))
    const soon = { 'x-gristmill-max-wait-ms': '100' }
    await fails(
      ['refused after waiting', 'AI_APICallError', '504'],
      generateText({ model: toy(key), ...question, headers: soon }),
    )
    const headers = { 'x-gristmill-max-wait-ms': '1200' }
    const stream = streamText({ model: toy(key), ...question, headers, onError: () => {} })
    const parts = await collect(stream.fullStream)
    const error = parts.find((part) => part.type === 'error')?.error
    assert.match(JSON.stringify(error), /wait_limit_exceeded|waited \d+ ms/)
    held.release()
    await held.ended
  })

  it('is written down as it is', () => {
    const rows = table.map(([what, thrown, status]) => `| ${what} | \`${thrown}\` | ${status} |`)
    process.stderr.write(`${rows.join('\n')}\n`)
    const text = readFileSync(new URL('../docs/sdk-errors.md', import.meta.url), 'utf8')
    for (const row of rows) assert.ok(text.includes(row), row)
  })
})
