/** Clients and questions that the scenario tests share: what an application would do, in short. */

import OpenAI, { type ClientOptions } from 'openai'
import { eventually } from '../src/base/test-eventually.ts'
import type { RequestView } from '../src/http/contract.ts'
import type { TestServer } from './server.ts'

type Chat = OpenAI.Chat.ChatCompletionCreateParamsNonStreaming
type ChatStream = OpenAI.Chat.ChatCompletionCreateParamsStreaming
export type Chunk = OpenAI.Chat.ChatCompletionChunk

/** The official client with the key of the first tenant or another; nothing is tried twice. */
export function openAi(
  { url, apiKey }: TestServer,
  key: string = apiKey,
  options: ClientOptions = {},
): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0, ...options })
}

/** A question to the toy model; further fields may be ones that the wire's types do not know. */
export function ask(changes: Record<string, unknown> = {}): Chat {
  return {
    model: 'toy',
    messages: [{ role: 'user', content: 'What turns the wheel?' }],
    max_tokens: 20,
    ...changes,
  }
}

export function askStream(changes: Record<string, unknown> = {}): ChatStream {
  return { ...ask(changes), stream: true }
}

/** A question whose answer takes until it is aborted, as far as a test is concerned. */
export const endless = { max_tokens: 3900, n: 8, ignore_eos: true }

export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}

export const textOf = (chunks: Chunk[]): string =>
  chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')

export interface Held {
  requestId: string
  /** Gives the slot back, as a client that goes away does. */
  release(): void
  /** What the client makes of the end of the stream; undefined where nothing was thrown. */
  ended: Promise<unknown>
}

/** Keeps a slot busy until it is released; resolves when the answer streams. */
export async function holdSlot(client: OpenAI, changes: object = {}): Promise<Held> {
  const stream = await client.chat.completions.create(askStream({ ...endless, ...changes }))
  const items = stream[Symbol.asyncIterator]()
  const first = await items.next()
  const drain = async () => {
    while (!(await items.next()).done);
  }
  return {
    requestId: String(first.value?.id).replace(/^chatcmpl-/, ''),
    release: () => stream.controller.abort(),
    ended: drain().then(
      () => undefined,
      (error: unknown) => error,
    ),
  }
}

/** What a promise is rejected with. */
export async function thrownBy(promise: PromiseLike<unknown>): Promise<Error> {
  try {
    await promise
  } catch (error) {
    if (error instanceof Error) return error
    throw error
  }
  throw new Error('it did not throw')
}

/** The ledger's row of a request, once it is settled. */
export function settled(server: TestServer, requestId: string): Promise<RequestView> {
  return eventually(`request ${requestId} is settled`, async () => {
    const path = `/api/requests/${requestId}`
    const row = await server.api<RequestView>('GET', path).catch((error: Error) => {
      if (error.message.includes('404')) return undefined
      throw error
    })
    return row?.settledAt ? row : undefined
  })
}

/** Requests that hold a slot of the first engine at the moment. */
export async function inFlight(server: TestServer): Promise<number> {
  const { rows } = await server.api<{ rows: { inFlight: number }[] }>('GET', '/api/engines')
  return rows.reduce((sum, row) => sum + row.inFlight, 0)
}

/** Requests of a tenant that wait, as its own key sees them. */
export async function waitingOf(server: TestServer, key: string): Promise<number> {
  const response = await fetch(`${server.url}/v1/queue`, {
    headers: { authorization: `Bearer ${key}` },
  })
  const { own } = (await response.json()) as { own: unknown[] }
  return own.length
}
