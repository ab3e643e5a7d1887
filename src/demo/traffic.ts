/**
 * The traffic of the demo: a flood, a conversation and a light tenant on fixed schedules. They
 * are clients like any other and know the server only by its address and their key.
 */
import { createParser } from 'eventsource-parser'
import { Agent, request } from 'undici'
import { type Clock, type Random, seededRandom } from '../base/index.ts'
import type { Sample } from './measurements.ts'

export interface Client {
  url: string
  key: string
  model: string
  clock: Clock
  /** Ends every request of the half. */
  signal: AbortSignal
  dispatcher: Agent
}

/** Connections are not a bound here: what the flood sends has to reach the queue. */
export const newDispatcher = () =>
  new Agent({ connections: null, headersTimeout: 0, bodyTimeout: 0 })

const FLOOD_IN_FLIGHT = 64
const FLOOD_TOKENS = 64
const CHAT_TOKENS = 48
const CHAT_PAUSE_MS = 2000
const LIGHT_TOKENS = 8
const LIGHT_EVERY_MS = 3000
/** A client whose request was refused waits before it asks again, as SDKs do. */
const AFTER_REFUSAL_MS = 1000

/** Keeps 64 requests of 64 tokens in flight until the half ends. */
export async function flood(client: Client, samples: Sample[]): Promise<void> {
  const random = seededRandom(1)
  await Promise.all(
    Array.from({ length: FLOOD_IN_FLIGHT }, async () => {
      while (!client.signal.aborted) await ask(client, samples, prompt(random), FLOOD_TOKENS)
    }),
  )
}

/** Asks, reads the answer, thinks for two seconds, asks again. */
export async function chat(client: Client, samples: Sample[]): Promise<void> {
  const random = seededRandom(2)
  while (!client.signal.aborted) {
    await ask(client, samples, prompt(random), CHAT_TOKENS)
    await pause(client, CHAT_PAUSE_MS)
  }
}

/** A short question every three seconds, whether the ones before are answered or not. */
export async function light(client: Client, samples: Sample[]): Promise<void> {
  const random = seededRandom(3)
  const running: Promise<void>[] = []
  while (!client.signal.aborted) {
    running.push(ask(client, samples, prompt(random), LIGHT_TOKENS))
    await pause(client, LIGHT_EVERY_MS)
  }
  await Promise.all(running)
}

const TRADES = ['miller', 'baker', 'cooper', 'farmer', 'carter', 'smith', 'weaver', 'tanner']
const PLACES = ['valley', 'village', 'harbour', 'forest', 'market', 'castle', 'bridge', 'hill']

/** About 24 tokens, and hardly ever the same: a cached prompt would flatter the figures. */
function prompt(random: Random): string {
  const pick = (words: string[]) => words[Math.floor(random.next() * words.length)]
  const number = 2 + Math.floor(random.next() * 97)
  return `How do ${number} people of the ${pick(PLACES)} pay the ${pick(TRADES)} of the ${pick(PLACES)}?`
}

async function ask(
  client: Client,
  samples: Sample[],
  content: string,
  maxTokens: number,
): Promise<void> {
  const { clock, signal } = client
  const sample: Sample = {
    sentMs: clock.monotonicMs(),
    firstMs: null,
    endMs: null,
    outputTokens: 0,
  }
  samples.push(sample)
  try {
    await stream(client, content, maxTokens, () => {
      sample.firstMs ??= clock.monotonicMs()
      sample.outputTokens++
    })
    sample.endMs = clock.monotonicMs()
  } catch (error) {
    // What the half cuts off counts as unfinished, and so does what is refused.
    if (!signal.aborted && !(error instanceof Refused)) throw error
    await pause(client, AFTER_REFUSAL_MS)
  }
}

/** The server answered, but not with tokens. */
class Refused extends Error {}

async function stream(
  { url, key, model, signal, dispatcher }: Client,
  content: string,
  maxTokens: number,
  onToken: () => void,
): Promise<void> {
  const { statusCode, body } = await request(`${url}/v1/chat/completions`, {
    method: 'POST',
    dispatcher,
    signal,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model,
      messages: [{ role: 'user', content }],
      max_tokens: maxTokens,
      stream: true,
    }),
  })
  if (statusCode !== 200) {
    await body.dump()
    throw new Refused(`status ${statusCode}`)
  }
  const parser = createParser({
    onEvent({ data }) {
      if (data === '[DONE]') return
      const event = JSON.parse(data) as StreamEvent
      if (event.error) throw new Refused(event.error.message)
      if (event.choices?.[0]?.delta?.content) onToken()
    },
  })
  const text = new TextDecoder()
  for await (const part of body) parser.feed(text.decode(part as Buffer, { stream: true }))
}

interface StreamEvent {
  choices?: { delta?: { content?: string } }[]
  error?: { message: string }
}

/** Sleeps, or wakes when the half ends. */
async function pause({ clock, signal }: Client, ms: number): Promise<void> {
  if (signal.aborted) return
  await clock.sleep(ms, signal).catch((error: unknown) => {
    if (!signal.aborted) throw error
  })
}
