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
  choices?: { delta?: { content?: string | null } }[]
  usage?: { completion_tokens: number } | null
  error?: { message: string; code?: string }
}

/**
 * Reads an answer of `/v1/chat/completions` with `stream: true`.
 * @throws ServerError where the stream carries an error
 */
export async function* chatEvents(response: Response): AsyncGenerator<ChatEvent> {
  if (response.body === null) return
  const waiting: string[] = []
  const parser = createParser({ onEvent: ({ data }) => void waiting.push(data) })
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    parser.feed(text)
    for (const data of waiting.splice(0)) {
      if (data !== '[DONE]') yield eventOf(JSON.parse(data) as Chunk, response.status)
    }
  }
}

function eventOf({ choices, usage, error }: Chunk, status: number): ChatEvent {
  if (error) throw new ServerError(status, error.code ?? 'stream_error', error.message)
  return {
    content: choices?.[0]?.delta?.content ?? '',
    outputTokens: usage?.completion_tokens ?? null,
  }
}
