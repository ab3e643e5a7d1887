/** Calls of every kind at every door, and what their clients were told of their tokens. */
import type Anthropic from '@anthropic-ai/sdk'
import type { ResponseUsage } from 'openai/resources/responses/responses'
import type { EngineView, Page } from '../src/http/contract.ts'
import { anthropic, askMessage } from './anthropic-client.ts'
import { ask, askStream, collect, holdSlot, openAi } from './sdk-clients.ts'
import type { TestServer } from './server.ts'

export interface Told {
  requestId: string
  input: number
  cached: number
  output: number
}

interface WireUsage {
  prompt_tokens: number
  completion_tokens?: number
  prompt_tokens_details?: { cached_tokens?: number }
}

export function toldBy(requestId: string | null | undefined, usage: unknown): Told {
  const { prompt_tokens, completion_tokens = 0, prompt_tokens_details } = usage as WireUsage
  const cached = prompt_tokens_details?.cached_tokens ?? 0
  return { requestId: requestId ?? '', input: prompt_tokens, cached, output: completion_tokens }
}

/** One call of every kind; what each client was told. */
export async function oneOfEach(server: TestServer, key: string): Promise<Told[]> {
  const client = openAi(server, key)
  const params = askStream({ stream_options: { include_usage: true } })
  const stream = await client.chat.completions.create(params).withResponse()
  const chunks = await collect(stream.data)
  const tool = { type: 'function', function: { name: 'grind', parameters: { type: 'object' } } }
  const [many, called, text, vectors] = await Promise.all([
    client.chat.completions.create(ask({ n: 3 })).withResponse(),
    client.chat.completions
      .create(ask({ tools: [tool], tool_choice: 'required', service_tier: 'flex' }))
      .withResponse(),
    client.completions.create({ model: 'toy', prompt: 'The mill', max_tokens: 9 }).withResponse(),
    client.embeddings.create({ model: 'toy', input: ['a mill', 'a river'] }).withResponse(),
  ])
  return [
    toldBy(stream.request_id, chunks.at(-1)?.usage),
    ...[many, called, text, vectors].map(({ data, request_id }) => toldBy(request_id, data.usage)),
  ]
}

/** One call of every kind at the doors of other wires; what each client was told. */
export async function otherDoors(server: TestServer, key: string): Promise<Told[]> {
  const claude = anthropic(server, key)
  const client = openAi(server, key)
  const input = {
    model: 'toy',
    input: 'What turns the wheel?',
    max_output_tokens: 20,
    store: false,
  }
  const tool = { name: 'grind', input_schema: { type: 'object' } }
  const called = { tools: [tool], tool_choice: { type: 'any' }, max_tokens: 60 }
  const messages = await Promise.all(
    [{}, called].map((changes) => claude.messages.create(askMessage(changes)).withResponse()),
  )
  const streamed = await claude.messages.create({ ...askMessage(), stream: true }).withResponse()
  const events = await collect(streamed.data)
  const responded = await client.responses.create(input).withResponse()
  const flow = await client.responses.create({ ...input, stream: true }).withResponse()
  const last = (await collect(flow.data)).find((event) => {
    return event.type === 'response.completed' || event.type === 'response.incomplete'
  })
  const delta = events.find((event) => event.type === 'message_delta')
  const start = events.find((event) => event.type === 'message_start')
  const idOf = ({ headers }: Response) => headers.get('x-gristmill-request-id')
  return [
    ...messages.map(({ data, response }) => toldByMessage(idOf(response), data.usage)),
    toldByMessage(idOf(streamed.response), { ...start?.message.usage, ...delta?.usage }),
    toldByResponse(idOf(responded.response), responded.data.usage),
    toldByResponse(idOf(flow.response), last?.response.usage),
  ]
}

function toldByMessage(requestId: string | null, usage: object): Told {
  const { input_tokens, cache_read_input_tokens, output_tokens } = usage as Anthropic.Usage
  const cached = cache_read_input_tokens ?? 0
  return { requestId: requestId ?? '', input: input_tokens + cached, cached, output: output_tokens }
}

function toldByResponse(requestId: string | null, usage: unknown): Told {
  const { input_tokens, input_tokens_details, output_tokens } = usage as ResponseUsage
  const cached = input_tokens_details.cached_tokens
  return { requestId: requestId ?? '', input: input_tokens, cached, output: output_tokens }
}

/** Requests that are left while they stream, one at each door; their ids. */
export async function abandoned(server: TestServer, key: string): Promise<string[]> {
  const claude = anthropic(server, key)
  const client = openAi(server, key)
  const long = { model: 'toy', input: 'Go on', max_output_tokens: 3900, store: false } as const
  const chat = await holdSlot(client)
  chat.release()
  const message = await claude.messages
    .create({ ...askMessage({ max_tokens: 3900 }), stream: true })
    .withResponse()
  message.data.controller.abort()
  const response = await client.responses.create({ ...long, stream: true }).withResponse()
  response.data.controller.abort()
  const idOf = ({ headers }: Response) => headers.get('x-gristmill-request-id') ?? ''
  return [chat.requestId, idOf(message.response), idOf(response.response)]
}

/** What the engine has counted in all: prompts, those of it that were cached, generated tokens. */
export async function countedByEngine(server: TestServer): Promise<number[]> {
  const [engine] = (await server.api<Page<EngineView>>('GET', '/api/engines')).rows
  const text = await (await fetch(`${engine?.url}/metrics`)).text()
  return ['prompt', 'cached', 'generation'].map((name) => {
    return Number(new RegExp(`^\\S+${name}_tokens_total\\S* (\\d+)`, 'm').exec(text)?.[1])
  })
}
