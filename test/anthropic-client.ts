/** The official Anthropic client and its questions, for the scenario tests. */
import Anthropic, { type ClientOptions } from '@anthropic-ai/sdk'
import type { TestServer } from './server.ts'

/** The client with the key of the first tenant or another; nothing is tried twice. */
export function anthropic(
  { url, apiKey }: TestServer,
  key: string = apiKey,
  options: ClientOptions = {},
): Anthropic {
  return new Anthropic({ baseURL: url, apiKey: key, authToken: null, maxRetries: 0, ...options })
}

/** A question to the toy model; further fields may be ones that the client's types do not know. */
export function askMessage(
  changes: Record<string, unknown> = {},
): Anthropic.MessageCreateParamsNonStreaming {
  return {
    model: 'toy',
    max_tokens: 20,
    messages: [{ role: 'user', content: 'What turns the wheel?' }],
    ...changes,
  }
}
