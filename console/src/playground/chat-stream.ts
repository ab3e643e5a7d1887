/** One streamed chat completion, as any client of the API would read it. */
import { createParser } from 'eventsource-parser'
import { ApiFailure, csrfHeaders, failureOf, noAnswer } from '../api/client.ts'
import type { ServiceClassName } from '../api/contract.ts'

export interface Message {
  role: 'system' | 'user' | 'assistant'
  content: string
}

export interface ChatSettings {
  tenantId: string
  model: string
  serviceClass: ServiceClassName
  system: string
  temperature: number
  maxTokens: number
}

/** What is known of a run; times are measured here, from sending to reading. */
export interface RunFigures {
  requestId: string | null
  servedClass: string | null
  queueMs: number | null
  ttftMs: number | null
  /** From the first content to the last. */
  streamMs: number | null
  inputTokens: number | null
  cachedTokens: number
  outputTokens: number | null
  finishReason: string | null
}

export const noFigures: RunFigures = {
  requestId: null,
  servedClass: null,
  queueMs: null,
  ttftMs: null,
  streamMs: null,
  inputTokens: null,
  cachedTokens: 0,
  outputTokens: null,
  finishReason: null,
}

/** Engines call what a model thinks before it answers by one of two names. */
interface Delta {
  content?: string | null
  reasoning_content?: string | null
  reasoning?: string | null
}

interface Chunk {
  service_tier?: string | null
  choices?: { delta?: Delta; finish_reason?: string | null }[]
  usage?: {
    prompt_tokens: number
    completion_tokens: number
    prompt_tokens_details?: { cached_tokens?: number } | null
  } | null
  error?: { message: string; code?: string | null }
}

/** The body that is sent, and that the examples show. */
export function bodyOf(settings: ChatSettings, messages: readonly Message[]) {
  const { model, serviceClass, system, temperature, maxTokens } = settings
  const first: Message[] = system.trim() === '' ? [] : [{ role: 'system', content: system.trim() }]
  return {
    model,
    messages: [...first, ...messages],
    temperature,
    max_tokens: maxTokens,
    service_tier: serviceClass === 'standard' ? 'default' : serviceClass,
    stream: true,
  }
}

/**
 * @param onText is told each piece of the answer, and of what the model thinks before it
 * @param onFigures is told what has become known
 * @throws ApiFailure where it is refused or the stream carries an error
 */
export async function streamChat(
  settings: ChatSettings,
  messages: readonly Message[],
  signal: AbortSignal,
  onText: (text: string, thought: string) => void,
  onFigures: (figures: Partial<RunFigures>) => void,
): Promise<void> {
  const sentMs = performance.now()
  const url = `/api/playground/chat?${new URLSearchParams({ tenant: settings.tenantId })}`
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...csrfHeaders() },
    body: JSON.stringify({
      ...bodyOf(settings, messages),
      stream_options: { include_usage: true },
    }),
    signal,
  }).catch((cause: unknown) => {
    if (signal.aborted) throw cause
    throw noAnswer()
  })
  if (!response.ok || response.body === null) throw await failureOf(response)
  const queued = response.headers.get('x-gristmill-queue-ms')
  onFigures({
    requestId: response.headers.get('x-gristmill-request-id'),
    queueMs: queued === null ? null : Number(queued),
  })
  let firstMs = 0
  let isWhole = false
  const onChunk = (chunk: Chunk) => {
    if (chunk.error) throw new ApiFailure(200, chunk.error.code ?? 'stream', chunk.error.message)
    const [choice] = chunk.choices ?? []
    const { content, reasoning_content: thinking, reasoning } = choice?.delta ?? {}
    const [text, thought] = [content ?? '', thinking || reasoning || '']
    const now = performance.now()
    if (text + thought !== '') {
      if (firstMs === 0) {
        firstMs = now
        onFigures({ ttftMs: now - sentMs })
      }
      onText(text, thought)
      onFigures({ streamMs: now - firstMs })
    }
    if (choice?.finish_reason) {
      isWhole = true
      onFigures({ finishReason: choice.finish_reason })
    }
    if (chunk.service_tier) onFigures({ servedClass: chunk.service_tier })
    if (chunk.usage) {
      onFigures({
        inputTokens: chunk.usage.prompt_tokens,
        cachedTokens: chunk.usage.prompt_tokens_details?.cached_tokens ?? 0,
        outputTokens: chunk.usage.completion_tokens,
      })
    }
  }
  await readEvents(response.body, onChunk)
  signal.throwIfAborted()
  // Without a reason why it ended the connection did, and not the answer.
  if (!isWhole) throw new ApiFailure(0, 'cut', 'The connection ended before the answer did.')
}

/** A connection that broke is an end like any other; what is missing tells. */
const BROKEN = { done: true, value: undefined } as const

async function readEvents(body: ReadableStream<Uint8Array>, onChunk: (chunk: Chunk) => void) {
  const waiting: string[] = []
  const parser = createParser({ onEvent: ({ data }) => void waiting.push(data) })
  const decoder = new TextDecoder()
  const reader = body.getReader()
  for (;;) {
    const { done, value } = await reader.read().catch(() => BROKEN)
    if (done) return
    parser.feed(decoder.decode(value, { stream: true }))
    for (const data of waiting.splice(0)) {
      if (data !== '[DONE]') onChunk(JSON.parse(data) as Chunk)
    }
  }
}
