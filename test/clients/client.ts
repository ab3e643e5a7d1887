/**
 * What every SDK is asked to do in the matrix of `docs/compatibility.md`: four things in the SDK's
 * own way, from which all rows follow.
 */
import { z } from 'zod'

/** How an SDK reaches the gateway. */
export interface Connection {
  /** Without `/v1`. */
  url: string
  key: string
  model: string
  fetch: typeof fetch
}

export interface Said {
  text: string
  inputTokens: number | undefined
  outputTokens: number | undefined
}

export interface Client {
  name: string
  /** Asks; resolves with the whole answer. */
  ask(to: Connection): Promise<Said>
  /** The same, piece by piece. @param onPiece called with each piece of text */
  stream(to: Connection, signal: AbortSignal, onPiece: (text: string) => void): Promise<Said>
  /** Makes the model call the tool; resolves with the input that the SDK hands to it. */
  call(to: Connection, choice: 'required' | 'named'): Promise<unknown>
  /** Asks for an answer of `answerShape`. */
  object(to: Connection): Promise<unknown>
}

/** One that small models answer in few words. */
export const QUESTION = 'Hello!'
export const TOKENS_MAX = 200

export const toolName = 'grind'
export const toolAbout = 'Grinds grain'
export const toolShape = z.object({ grain: z.enum(['rye', 'oat']), fine: z.boolean() })
export const answerShape = z.object({ river: z.enum(['Rhine', 'Elbe']), runs: z.boolean() })

/** A shape as JSON schema, for SDKs that want that. */
export function schemaOf(shape: z.ZodType): Record<string, unknown> {
  const { $schema: _, ...schema } = z.toJSONSchema(shape)
  return schema
}

type Fields = Record<string, unknown>

/** `fetch` that changes bodies and adds headers; what an SDK offers for it differs. */
export function fetchWith(
  change: (body: Fields) => Fields,
  headers: Record<string, string> = {},
): typeof fetch {
  return (url, init) => {
    const body = change(JSON.parse(String(init?.body)) as Fields)
    const all = new Headers(init?.headers)
    for (const [name, value] of Object.entries(headers)) all.set(name, value)
    all.delete('content-length')
    return fetch(url, { ...init, headers: all, body: JSON.stringify(body) })
  }
}
