/** Streamed chat requests as a client sees them, in open and in closed loop. */
import { createParser } from 'eventsource-parser'
import { Agent, request } from 'undici'
import type { Random } from '../src/base/index.ts'

/** One request; times are `performance.now()` milliseconds. */
export interface Call {
  sentMs: number
  /** When each event with content came. */
  tokenMs: number[]
  /** Last byte; null while it runs or when it was cut off. */
  endMs: number | null
  /** Of the engine, with the last event. */
  usage: { promptTokens: number; cachedTokens: number; outputTokens: number } | null
  /** Status of a refusal. */
  refused: number | null
  /** What broke it, where its target counts failures. */
  failure: string | null
  /** What the gateway says of its own queue, milliseconds; null until its headers came. */
  queueMs: number | null
}

export interface Target {
  url: string
  key: string
  model: string
  /** Further fields of every body, such as a service tier. */
  fields?: object
  /**
   * True asks for a completion of the bare text: a chat's template begins all prompts alike, which
   * a cache may hold or not.
   */
  isBare?: boolean
  /** Further headers of every request. */
  headers?: Record<string, string>
  /** True where a call that breaks is a figure; else it ends the bench. */
  countsFailures?: boolean
}

interface Event {
  choices?: { text?: string; delta?: { content?: string } }[]
  usage?: {
    prompt_tokens: number
    completion_tokens: number
    prompt_tokens_details?: { cached_tokens?: number }
  }
  error?: { message: string }
}

export const newDispatcher = () =>
  new Agent({ connections: null, headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: 10_000 })

/**
 * Sends one request and writes into `call` as the answer comes; resolves at its end.
 * @throws Error for what is neither a refusal nor the signal
 */
export async function ask(
  target: Target,
  body: { content: string; maxTokens: number },
  call: Call,
  dispatcher: Agent,
  signal: AbortSignal,
): Promise<void> {
  const parser = createParser({ onEvent: ({ data }) => readEvent(data, call) })
  try {
    const { content } = body
    const path = target.isBare ? '/v1/completions' : '/v1/chat/completions'
    const answer = await request(`${target.url}${path}`, {
      method: 'POST',
      dispatcher,
      signal,
      headers: {
        authorization: `Bearer ${target.key}`,
        'content-type': 'application/json',
        ...target.headers,
      },
      body: JSON.stringify({
        model: target.model,
        ...(target.isBare ? { prompt: content } : { messages: [{ role: 'user', content }] }),
        max_tokens: body.maxTokens,
        ...target.fields,
        stream: true,
        stream_options: { include_usage: true },
      }),
    })
    const queueMs = answer.headers['x-gristmill-queue-ms']
    if (queueMs !== undefined) call.queueMs = Number(queueMs)
    if (answer.statusCode !== 200) {
      call.refused = answer.statusCode
      return await answer.body.dump()
    }
    const text = new TextDecoder()
    for await (const part of answer.body) parser.feed(text.decode(part as Buffer, { stream: true }))
    call.endMs = performance.now()
  } catch (error) {
    if (signal.aborted) return
    if (!target.countsFailures) throw error
    call.failure = (error as Error).message
  }
}

function readEvent(data: string, call: Call): void {
  if (data === '[DONE]') return
  const { choices, usage, error } = JSON.parse(data) as Event
  if (error) throw new Error(error.message)
  const [choice] = choices ?? []
  if (choice?.text || choice?.delta?.content) call.tokenMs.push(performance.now())
  if (usage) {
    call.usage = {
      promptTokens: usage.prompt_tokens,
      cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
      outputTokens: usage.completion_tokens,
    }
  }
}

export const newCall = (): Call => ({
  sentMs: performance.now(),
  tokenMs: [],
  endMs: null,
  usage: null,
  refused: null,
  failure: null,
  queueMs: null,
})

export interface Load {
  calls: Call[]
  /** Resolves when nothing runs any more. */
  stopped: Promise<void>
}

/** Who was refused asks again after this long. */
const RETRY_MS = 1000

/** Keeps `inFlight` requests running until the signal. */
export function closedLoop(
  target: Target,
  inFlight: number,
  maxTokens: number,
  random: Random,
  signal: AbortSignal,
): Load {
  const calls: Call[] = []
  const dispatcher = newDispatcher()
  const worker = async () => {
    while (!signal.aborted) {
      const call = newCall()
      calls.push(call)
      await ask(target, { content: prompt(random), maxTokens }, call, dispatcher, signal)
      if (call.refused !== null || call.failure !== null) await sleep(RETRY_MS, signal)
    }
  }
  const stopped = Promise.all(Array.from({ length: inFlight }, worker)).then(() =>
    dispatcher.destroy(),
  )
  return { calls, stopped }
}

/** Sends a request every `everyMs`, whether those before are answered or not. */
export function openLoop(
  target: Target,
  everyMs: number,
  maxTokens: number,
  random: Random,
  signal: AbortSignal,
): Load {
  const calls: Call[] = []
  const dispatcher = newDispatcher()
  const running: Promise<void>[] = []
  const startMs = performance.now()
  const run = async () => {
    for (let step = 0; !signal.aborted; step++) {
      const call = newCall()
      calls.push(call)
      running.push(ask(target, { content: prompt(random), maxTokens }, call, dispatcher, signal))
      // From the start and not from the last one, so that arrivals do not drift with the load.
      await sleep(startMs + (step + 1) * everyMs - performance.now(), signal)
    }
    await Promise.all(running)
    await dispatcher.destroy()
  }
  return { calls, stopped: run() }
}

/** Waits, or wakes at the signal. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', wake)
      resolve()
    }
    const timer = setTimeout(wake, Math.max(0, ms))
    if (signal?.aborted) wake()
    else signal?.addEventListener('abort', wake, { once: true })
  })
}

const TRADES = ['miller', 'baker', 'cooper', 'farmer', 'carter', 'smith', 'weaver', 'tanner']
const PLACES = ['valley', 'village', 'harbour', 'forest', 'market', 'castle', 'bridge', 'hill']

/** About 24 tokens, and hardly ever the same, so that no cached prompt flatters the figures. */
export function prompt(random: Random): string {
  const pick = (words: string[]) => words[Math.floor(random.next() * words.length)]
  const number = 2 + Math.floor(random.next() * 97)
  return `How do ${number} people of the ${pick(PLACES)} pay the ${pick(TRADES)} of the ${pick(PLACES)}?`
}
