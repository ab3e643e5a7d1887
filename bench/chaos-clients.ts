/** The callers of chaos `mixed`: the real `openai` SDK, on a plan drawn from a seed. */
import OpenAI from 'openai'
import type { Random } from '../src/base/index.ts'
import type { ClientCall, Counts } from './chaos-verdict.ts'

/** What one caller will do; drawn before anything runs. */
export interface PlannedCall {
  tenant: number
  stream: boolean
  maxTokens: number
  serviceTier: 'auto' | 'default' | 'flex' | 'priority'
  /** Leaves after so many chunks, or after so many milliseconds; null: stays to the end. */
  leaves: { afterChunks: number } | { afterMs: number } | null
}

const LONG_SHARE = 0.06
const STREAM_SHARE = 0.8
/** Above the tenth that is asked for, since some are done before they would leave. */
const LEAVE_SHARE = 0.2

/** A plan of `count` calls for two tenants. */
export function planCalls(count: number, random: Random): PlannedCall[] {
  const whole = (min: number, max: number) => min + Math.floor(random.next() * (max - min + 1))
  const tiers = ['auto', 'default', 'flex', 'priority'] as const
  return Array.from({ length: count }, () => {
    const maxTokens = random.next() < LONG_SHARE ? whole(800, 1500) : whole(4, 96)
    const isLeaving = random.next() < LEAVE_SHARE
    const stream = random.next() < STREAM_SHARE
    const byChunks = random.next() < 0.6 && stream
    const leaves = byChunks
      ? { afterChunks: whole(1, Math.max(1, maxTokens - 2)) }
      : { afterMs: whole(1, 400) }
    return {
      tenant: whole(0, 1),
      stream,
      maxTokens,
      serviceTier: tiers[whole(0, tiers.length - 1)] ?? 'auto',
      leaves: isLeaving ? leaves : null,
    }
  })
}

interface Extended {
  ignore_eos: boolean
}

/** Makes the call and tells what its client saw; never rejects. */
export async function makeCall(
  planned: PlannedCall,
  target: { url: string; key: string; model: string },
  content: string,
): Promise<ClientCall> {
  const call: ClientCall = {
    requestId: null,
    end: 'failed',
    chunkMs: [],
    usage: null,
    engine: null,
  }
  const leave = new AbortController()
  const { leaves } = planned
  const timer =
    leaves !== null && 'afterMs' in leaves
      ? setTimeout(() => leave.abort(), leaves.afterMs)
      : undefined
  const client = new OpenAI({ baseURL: `${target.url}/v1`, apiKey: target.key, maxRetries: 0 })
  try {
    if (planned.stream) await readStream(client, planned, target.model, content, call, leave)
    else await readWhole(client, planned, target.model, content, call, leave.signal)
    call.end = leave.signal.aborted ? 'aborted' : 'finished'
  } catch (error) {
    if (error instanceof OpenAI.APIError) {
      const headers = error.headers as Headers | undefined
      call.requestId ??= headers?.get('x-gristmill-request-id') ?? null
    }
    call.end = leave.signal.aborted ? 'aborted' : 'failed'
  } finally {
    clearTimeout(timer)
  }
  return call
}

const bodyOf = (planned: PlannedCall, model: string, content: string) => ({
  model,
  messages: [{ role: 'user' as const, content }],
  max_tokens: planned.maxTokens,
  service_tier: planned.serviceTier,
  ignore_eos: true,
})

async function readStream(
  client: OpenAI,
  planned: PlannedCall,
  model: string,
  content: string,
  call: ClientCall,
  leave: AbortController,
): Promise<void> {
  const body: OpenAI.ChatCompletionCreateParamsStreaming & Extended = {
    ...bodyOf(planned, model, content),
    stream: true,
    stream_options: { include_usage: true },
  }
  const { data, response } = await client.chat.completions
    .create(body, { signal: leave.signal })
    .withResponse()
  call.requestId = response.headers.get('x-gristmill-request-id')
  const { leaves } = planned
  const chunksMax = leaves !== null && 'afterChunks' in leaves ? leaves.afterChunks : Infinity
  let isComplete = false
  for await (const chunk of data) {
    if (chunk.choices[0]?.delta.content) call.chunkMs.push(performance.now())
    if (chunk.choices[0]?.finish_reason) isComplete = true
    if (chunk.usage) call.usage = countsOf(chunk.usage)
    if (call.chunkMs.length >= chunksMax) leave.abort()
  }
  if (!leave.signal.aborted && !(isComplete && call.usage)) throw new Error('the stream just ended')
}

async function readWhole(
  client: OpenAI,
  planned: PlannedCall,
  model: string,
  content: string,
  call: ClientCall,
  signal: AbortSignal,
): Promise<void> {
  const body: OpenAI.ChatCompletionCreateParamsNonStreaming & Extended = bodyOf(
    planned,
    model,
    content,
  )
  const { data, response } = await client.chat.completions.create(body, { signal }).withResponse()
  call.requestId = response.headers.get('x-gristmill-request-id')
  if (data.usage) call.usage = countsOf(data.usage)
}

function countsOf(usage: OpenAI.CompletionUsage): Counts {
  return {
    inputTokens: usage.prompt_tokens,
    cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
    outputTokens: usage.completion_tokens,
  }
}
