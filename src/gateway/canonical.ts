/**
 * A request as the gateway understands it, whichever door it came through: what decides admission,
 * fairness and booking. Everything else in the body belongs to the engine and passes through.
 */
import { isUtf8 } from 'node:buffer'
import { GristmillError, type Limits } from '../base/index.ts'
import { fieldsOf } from './engine-words.ts'
import { jsonOf } from './json-text.ts'
import type { OwnWords } from './messages/own-words.ts'
import { type Asker, askerOf } from './session-id.ts'
import { estimateChat, estimateInput } from './token-estimate.ts'

export type Endpoint = '/v1/chat/completions' | '/v1/completions' | '/v1/embeddings'

/** Where clients come in; all but the last two are engines' endpoints as well. */
export type DoorPath = Endpoint | '/v1/messages' | '/v1/responses'

export interface CanonicalRequest {
  /** Where the client came in. */
  door: DoorPath
  /** Where an engine is asked. */
  endpoint: Endpoint
  model: string
  stream: boolean
  /** True where the client asked for the usage event of a stream. */
  includeUsage: boolean
  /** Answers wanted, `n`. */
  choices: number
  /** What the client allows each answer, tokens; null where it names nothing. */
  outputTokensAsked: number | null
  /**
   * A bound of the client's that is lowered to what the context leaves, where its wire means it so;
   * null where there is none.
   */
  outputTokensAtMost: number | null
  /** The wire's `service_tier`; null where there is none. */
  serviceTier: string | null
  /** Who the body says is asking; believed only from keys with scope `end_users`. */
  endUser: string | null
  /** Which conversation the body says it belongs to. */
  sessionId: string | null
  estimatedInputTokens: number
  /** The body as it goes to an engine, and parsed; as it came wherever its wire is the engine's. */
  raw: Buffer
  fields: Record<string, unknown>
  /** True where its answer depends on others or others on it, so that each has its own. */
  isKept?: boolean
  /** What engines of the client's own wire get, where that is not the one above. */
  ownWords?: OwnWords | undefined
}

export const MODEL_LENGTH_MAX = 256

/**
 * Checks what the gateway itself needs of a body that has been parsed once.
 * @param raw as it goes to an engine
 * @throws GristmillError `invalid_value` naming the field
 */
export function readFields(
  endpoint: Endpoint,
  raw: Buffer,
  fields: Record<string, unknown>,
  limits: Limits,
): CanonicalRequest {
  const { model } = fields
  if (typeof model !== 'string' || model === '' || model.length > MODEL_LENGTH_MAX) {
    throw invalid('model', 'a model must be named')
  }
  const isEmbedding = endpoint === '/v1/embeddings'
  const stream = booleanOf(fields, 'stream')
  if (stream && isEmbedding) throw invalid('stream', 'embeddings are not streamed')
  if (endpoint === '/v1/chat/completions') checkChat(fields)
  wholeOf(fields, 'best_of', limits.choicesMax)
  const choices = wholeOf(fields, 'n', limits.choicesMax) ?? 1
  return {
    door: endpoint,
    endpoint,
    model,
    stream,
    includeUsage: stream && asksForUsage(fields.stream_options),
    choices,
    outputTokensAsked: isEmbedding ? 0 : outputTokensOf(fields),
    outputTokensAtMost: null,
    serviceTier: textOf(fields, 'service_tier'),
    ...askerIn(fields),
    estimatedInputTokens: estimateOf(endpoint, fields),
    raw,
    fields,
  }
}

/** Agent programs ask for far more than they use: a bound above the limit is lowered to it. */
export function lowered(request: CanonicalRequest, { outputTokensMax }: Limits): CanonicalRequest {
  const { outputTokensAsked } = request
  if (outputTokensAsked === null || outputTokensAsked <= outputTokensMax) return request
  const fields = { ...request.fields }
  delete fields.max_tokens
  delete fields.max_completion_tokens
  const raw = Buffer.from(jsonOf(fields))
  return { ...request, outputTokensAsked: null, outputTokensAtMost: outputTokensMax, raw, fields }
}

/**
 * @param parse how its values are read
 * @throws GristmillError `invalid_json`
 */
export function parseObject(
  raw: Buffer,
  parse: (text: string) => unknown = JSON.parse,
): Record<string, unknown> {
  if (!isUtf8(raw)) throw new GristmillError('invalid_json', { reason: 'it is not UTF-8' })
  let value: unknown
  try {
    value = parse(raw.toString('utf8'))
  } catch (error) {
    // V8's message quotes the body, which must not reach a log.
    const reason = raw.length === 0 ? 'it is empty' : 'it cannot be parsed'
    throw new GristmillError('invalid_json', { reason }, { cause: error })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new GristmillError('invalid_json', { reason: 'it is not an object' })
  }
  return value as Record<string, unknown>
}

function checkChat(fields: Record<string, unknown>): void {
  checkMessages(fields.messages)
  checkMetadata(fields.metadata)
  // Nothing is kept at this door.
  booleanOf(fields, 'store')
  if (!Array.isArray(fields.tools)) return
  mustDiffer(
    fields.tools.map((tool: unknown) => fieldsOf(fieldsOf(tool).function).name),
    'tools',
  )
}

/** @throws GristmillError where two tools have one name, so that a call could mean either */
export function mustDiffer(names: readonly unknown[], param: string): void {
  const seen = new Set<unknown>()
  for (const name of names) {
    if (typeof name !== 'string') continue
    if (seen.has(name)) throw invalid(param, `two tools are called ${name.slice(0, 64)}`)
    seen.add(name)
  }
}

function checkMetadata(metadata: unknown): void {
  if (metadata === undefined || metadata === null) return
  if (typeof metadata !== 'object' || Array.isArray(metadata)) {
    throw invalid('metadata', 'it must be an object')
  }
  const wrong = Object.entries(metadata).find(([, value]) => typeof value !== 'string')
  if (wrong) throw invalid(`metadata.${wrong[0].slice(0, 64)}`, 'it must be a string')
}

function checkMessages(messages: unknown): void {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw invalid('messages', 'a list with at least one message is needed')
  }
  const wrong = messages.findIndex((message) => typeof message !== 'object' || message === null)
  if (wrong !== -1) throw invalid(`messages.${wrong}`, 'a message must be an object')
}

function outputTokensOf(fields: Record<string, unknown>): number | null {
  const of = (name: string) => wholeOf(fields, name, Number.MAX_SAFE_INTEGER)
  return of('max_completion_tokens') ?? of('max_tokens') ?? of('n_predict')
}

function asksForUsage(options: unknown): boolean {
  if (options === undefined || options === null) return false
  if (typeof options !== 'object') throw invalid('stream_options', 'it must be an object')
  return (options as { include_usage?: unknown }).include_usage === true
}

function estimateOf(endpoint: Endpoint, fields: Record<string, unknown>): number {
  if (endpoint === '/v1/chat/completions') return estimateChat(fields)
  const input = endpoint === '/v1/embeddings' ? fields.input : fields.prompt
  if (endpoint === '/v1/embeddings' && (input === undefined || input === null || input === '')) {
    throw invalid('input', 'something to embed is needed')
  }
  return estimateInput(input)
}

/** `safety_identifier` is the wire's newer name for `user`. */
function askerIn(fields: Record<string, unknown>): Asker {
  const endUser = textOf(fields, 'safety_identifier') ?? textOf(fields, 'user')
  const sessionId = textOf(fields, 'prompt_cache_key')
  const { metadata } = fields
  if (typeof metadata !== 'object' || metadata === null) return { endUser, sessionId }
  const { user_id: userId } = metadata as { user_id?: unknown }
  if (typeof userId !== 'string') return { endUser, sessionId }
  const asker = askerOf(userId)
  return { endUser: endUser ?? asker.endUser, sessionId: sessionId ?? asker.sessionId }
}

function booleanOf(fields: Record<string, unknown>, param: string): boolean {
  const value = fields[param]
  if (value === undefined || value === null) return false
  if (typeof value !== 'boolean') throw invalid(param, 'it must be true or false')
  return value
}

function textOf(fields: Record<string, unknown>, param: string): string | null {
  const value = fields[param]
  if (value === undefined || value === null || value === '') return null
  if (typeof value !== 'string') throw invalid(param, 'it must be a string')
  return value
}

function wholeOf(fields: Record<string, unknown>, param: string, max: number): number | null {
  const value = fields[param]
  if (value === undefined || value === null) return null
  if (!Number.isInteger(value) || (value as number) < 1) {
    throw invalid(param, 'it must be a whole number above 0')
  }
  if ((value as number) > max) throw invalid(param, `it must be at most ${max}`)
  return value as number
}

export function invalid(param: string, reason: string): GristmillError {
  return new GristmillError('invalid_value', { param, reason })
}

/** Output tokens of all answers together at most. */
export function outputTokensMax(request: CanonicalRequest, standard: number | null): number {
  return request.choices * (request.outputTokensAsked ?? standard ?? 0)
}
