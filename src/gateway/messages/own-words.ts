/**
 * A Messages request as it came, for services that speak this wire themselves: what goes there is
 * what the client wrote, byte by byte, but for the name of the model.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { GristmillError, Limits } from '../../base/index.ts'
import { fieldsOf } from '../engine-words.ts'
import { withField } from '../json-field.ts'
import { jsonOf } from '../json-text.ts'
import { OWN_SIGNATURE } from './content.ts'

type Fields = Record<string, unknown>

export interface OwnWords {
  model: string
  body: Buffer
  /** The client's headers of this wire, names and values in turns. */
  headers: readonly string[]
  /** Why no engine of another wire can be asked; undefined where one can. */
  untranslatable: GristmillError | undefined
  /** True while an engine of this wire answers, whose bytes the client gets as they come. */
  isPassing: boolean
}

const HEADERS = ['anthropic-version', 'anthropic-beta'] as const
/** What the service wants at least. */
const THINKING_TOKENS_MIN = 1024
/** What the service wants where the client names none. */
const VERSION = '2023-06-01'

/** @param maxTokens what the client allows the answer */
export function ownWords(
  body: Buffer,
  fields: Fields,
  headers: IncomingHttpHeaders,
  maxTokens: number,
  limits: Pick<Limits, 'outputTokensMax'>,
): OwnWords {
  const own = body.includes(SIGNED) ? withoutOwnThinking(body, fields) : body
  const { outputTokensMax } = limits
  return {
    model: fields.model as string,
    body: maxTokens > outputTokensMax ? lowered(own, fields, maxTokens, outputTokensMax) : own,
    headers: HEADERS.flatMap((name) => {
      const value = headers[name] ?? (name === 'anthropic-version' ? VERSION : undefined)
      return value === undefined ? [] : [name, String(value)]
    }),
    untranslatable: undefined,
    isPassing: false,
  }
}

/** With a lower bound, and within it thinking that was within the client's: else it is refused. */
function lowered(body: Buffer, fields: Fields, maxTokens: number, tokens: number): Buffer {
  const bounded = withField(body, 'max_tokens', String(tokens))
  const { budget_tokens: budget } = fieldsOf(fields.thinking)
  if (typeof budget !== 'number' || budget < tokens || budget >= maxTokens) return bounded
  const part = Math.max(THINKING_TOKENS_MIN, Math.floor((budget / maxTokens) * tokens))
  return withField(bounded, 'budget_tokens', String(part), 2)
}

/** The body for a model that may have another name there. */
export function bodyFor({ model, body }: OwnWords, name: unknown): Buffer {
  return name === model ? body : withField(body, 'model', JSON.stringify(name))
}

const SIGNED = JSON.stringify(OWN_SIGNATURE)

/** Thinking that this gateway has signed for engines of ours would be refused there as forged. */
function withoutOwnThinking(body: Buffer, fields: Fields): Buffer {
  if (!Array.isArray(fields.messages)) return body
  let isChanged = false
  const messages = fields.messages.map((message: unknown) => {
    const { content } = fieldsOf(message)
    if (!Array.isArray(content)) return message
    const rest = content.filter((block) => !isOwnThinking(fieldsOf(block)))
    if (rest.length === content.length) return message
    isChanged = true
    return { ...fieldsOf(message), content: rest }
  })
  return isChanged ? Buffer.from(jsonOf({ ...fields, messages })) : body
}

const isOwnThinking = ({ type, signature }: Fields) =>
  type === 'thinking' && signature === OWN_SIGNATURE
