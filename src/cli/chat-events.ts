/** The stream of a chat completion as the command line reads it. */
import { createParser } from 'eventsource-parser'
import { ServerError } from './client.ts'

export interface ChatEvent {
  /** Text to add to the answer; may be empty. */
  content: string
  /** Tokens of the whole answer, in the event that carries the usage. */
  outputTokens: number | null
}

interface Chunk {
  choices?: { delta?: { content?: string | null }; finish_reason?: string | null }[]
  usage?: { completion_tokens: number } | null
  error?: { message: string; code?: string }
}

/**
 * Reads an answer of `/v1/chat/completions` with `stream: true`.
 * @throws ServerError where the stream carries an error, or ends before the answer does
 */
export async function* chatEvents(response: Response): AsyncGenerator<ChatEvent> {
  let isWhole = false
  for await (const data of eventsOf(response)) {
    if (data === '[DONE]') continue
    const { choices, usage, error } = JSON.parse(data) as Chunk
    if (error) throw new ServerError(response.status, error.code ?? 'stream_error', error.message)
    isWhole ||= typeof choices?.[0]?.finish_reason === 'string'
    yield {
      content: choices?.[0]?.delta?.content ?? '',
      outputTokens: usage?.completion_tokens ?? null,
    }
  }
  if (!isWhole) throw cutOff(response)
}

async function* eventsOf(response: Response): AsyncGenerator<string> {
  if (response.body === null) return
  const waiting: string[] = []
  const parser = createParser({ onEvent: ({ data }) => void waiting.push(data) })
  const decoder = new TextDecoder()
  const reader = response.body.getReader()
  for (;;) {
    const { done, value } = await reader.read().catch((cause: unknown) => {
      throw cutOff(response, cause)
    })
    if (done) return
    parser.feed(decoder.decode(value, { stream: true }))
    yield* waiting.splice(0)
  }
}

function cutOff({ status }: Response, cause?: unknown): ServerError {
  const message = 'The connection ended before the answer did. What was used is on the ledger.'
  return new ServerError(status, 'cut_off', message, { cause })
}
