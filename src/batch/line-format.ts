/** Lines of input, output and error files in OpenAI's format. Pure. */
import { z } from 'zod'
import { GristmillError, parseExactly } from '../base/index.ts'
import { type BodyLimits, checkParts, type DoorPath, jsonOf } from '../gateway/index.ts'
import type { BatchError } from './batch-types.ts'
import type { FileLine } from './file-types.ts'

export interface InputLine {
  customId: string
  /** The model that it names; null where that is no text. */
  model: string | null
  /** The request's body as JSON. */
  body: Buffer
}

const CUSTOM_ID_LENGTH_MAX = 512
const WORDS_LENGTH_MAX = 1000

const shape = z.object({
  custom_id: z
    .string({ error: 'a string is needed' })
    .min(1, { error: 'it must not be empty' })
    .max(CUSTOM_ID_LENGTH_MAX, { error: `it may have ${CUSTOM_ID_LENGTH_MAX} characters` }),
  method: z.literal('POST', { error: 'it must be POST' }),
  url: z.string({ error: "the batch's endpoint is needed" }),
  body: z.record(z.string(), z.unknown(), { error: 'an object is needed' }),
})

/**
 * What a line asks for.
 * @throws GristmillError `invalid_json`, `invalid_value` naming the field, `body_too_large`,
 *   `body_too_complex`
 */
export function readLine(line: FileLine, endpoint: DoorPath, limits: BodyLimits): InputLine {
  if (line.text === undefined) {
    const reason = line.problem === 'too_long' ? 'the line is too long' : 'it is not UTF-8'
    throw new GristmillError('invalid_json', { reason })
  }
  checkParts(Buffer.from(line.text), limits)
  const given = shape.safeParse(parsed(line.text))
  if (!given.success) {
    const [issue] = given.error.issues
    const param = issue?.path.join('.') || 'line'
    throw new GristmillError('invalid_value', { param, reason: issue?.message })
  }
  const { custom_id: customId, url, body } = given.data
  if (url !== endpoint) {
    const reason = `it must be the batch's endpoint, ${endpoint}`
    throw new GristmillError('invalid_value', { param: 'url', reason })
  }
  if (body.stream === true) {
    const reason = 'lines of a batch are not streamed'
    throw new GristmillError('invalid_value', { param: 'body.stream', reason })
  }
  const model = typeof body.model === 'string' ? body.model : null
  const bytes = Buffer.from(jsonOf(body))
  if (bytes.length > limits.bodyBytesMax) {
    throw new GristmillError('body_too_large', { maxBytes: limits.bodyBytesMax })
  }
  return { customId, model, body: bytes }
}

/** The name of a line that was looked through before, whatever else is wrong with it by now. */
export function customIdOf(line: FileLine): string {
  const { custom_id: customId } = fieldsOf(line)
  return typeof customId === 'string' ? customId : ''
}

/** The model that a line names, if it can be read. */
export function modelIn(line: FileLine): string | null {
  const { body } = fieldsOf(line)
  const model = typeof body === 'object' && body !== null && 'model' in body ? body.model : null
  return typeof model === 'string' ? model : null
}

function fieldsOf({ text }: FileLine): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text ?? '')
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}

/** True for a line with nothing on it, which is passed over. */
export function isBlank(line: FileLine): boolean {
  return line.text !== undefined && line.text.trim() === ''
}

/** What is wrong with a line, as the batch reports it. */
export function lineError(line: number | null, error: GristmillError, prefix = ''): BatchError {
  const { param } = error.details
  const field = typeof param === 'string' ? storable(`${prefix}${param}`) : null
  const code = error.code === 'invalid_json' ? 'invalid_json_line' : error.code
  return { code, line, message: storable(error.message), param: field }
}

/** Words that may quote a line, which may hold what the database cannot store. */
const storable = (words: string) =>
  words.slice(0, WORDS_LENGTH_MAX).toWellFormed().replaceAll('\0', '\ufffd')

/** A line of the output file, or of the error file where the status is no success. */
export function answerLine(
  place: { batchId: string; line: number; customId: string },
  requestId: string,
  answer: { status: number; body: Buffer },
): string {
  // The body goes in as it came; writing it anew would cost much and could change numbers.
  const response =
    `{"status_code":${answer.status},"request_id":${JSON.stringify(requestId)},` +
    `"body":${answer.body.toString('utf8')}}`
  return onOneLine(`{${head(place)},"response":${response},"error":null}`)
}

/** A line of the error file for a line that no request was made for, or that never ended. */
export function errorLine(
  place: { batchId: string; line: number; customId: string },
  error: { code: string; message: string },
): string {
  const { code, message } = error
  return onOneLine(`{${head(place)},"response":null,"error":${JSON.stringify({ code, message })}}`)
}

/**
 * JSON without whatever some reader takes for the end of a line: Python's `splitlines`, by which
 * OpenAI's client reads lines, also breaks at characters that stand in JSON strings as they are.
 */
function onOneLine(json: string): string {
  const escaped = (end: string) => `\\u${end.charCodeAt(0).toString(16).padStart(4, '0')}`
  return json.replace(/[\r\n]+/g, ' ').replace(/[\u0085\u2028\u2029]/g, escaped)
}

function head(place: { batchId: string; line: number; customId: string }): string {
  const id = `batch_req_${place.batchId.slice('batch_'.length)}_${place.line}`
  return `"id":"${id}","custom_id":${JSON.stringify(place.customId)}`
}

function parsed(text: string): unknown {
  try {
    // The body in it is written anew.
    return parseExactly(text)
  } catch (error) {
    // V8's message quotes the line, which must not reach a log.
    throw new GristmillError('invalid_json', { reason: 'it cannot be parsed' }, { cause: error })
  }
}
