/** Usage as services of the Messages wire report it, what caches had and took in counted apart. */
import type { TokenCounts } from '../../meter/index.ts'
import { fieldsOf } from '../engine-words.ts'
import { parsedObject, tokenCount } from '../usage.ts'

/** The usage of one stream; later events correct earlier ones. */
export class MessageUsage {
  #fields: Record<string, unknown> = {}

  /** @param text an event `message_start` or `message_delta` */
  note(text: string): void {
    const data = parsedObject(text.slice(text.indexOf('data:') + 'data:'.length))
    const usage = fieldsOf(data?.usage ?? fieldsOf(data?.message).usage)
    for (const [name, value] of Object.entries(usage)) {
      if (value !== null) this.#fields[name] = value
    }
  }

  /** null where nothing was told. */
  get counts(): TokenCounts | null {
    return messageCounts(this.#fields)
  }
}

/** The usage of a whole message. */
export function usageOfMessage(body: Buffer): TokenCounts | null {
  return messageCounts(fieldsOf(parsedObject(body.toString('utf8'))?.usage))
}

function messageCounts(usage: Record<string, unknown>): TokenCounts | null {
  const read = tokenCount(usage.input_tokens)
  if (read === null) return null
  const cachedTokens = tokenCount(usage.cache_read_input_tokens) ?? 0
  const written = tokenCount(usage.cache_creation_input_tokens) ?? 0
  return {
    inputTokens: read + cachedTokens + written,
    cachedTokens,
    ...(written > 0 && { cacheWriteTokens: written }),
    outputTokens: tokenCount(usage.output_tokens) ?? 0,
  }
}
