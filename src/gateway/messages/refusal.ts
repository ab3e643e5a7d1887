/** Refusals of engines, which come in OpenAI's shape, as those of the Messages wire. */
import { anthropicErrorBody } from '../../base/index.ts'
import { isTooLong } from '../engine-errors.ts'
import { textOf } from '../engine-words.ts'
import { parsedObject } from '../usage.ts'

/** @param body an error in OpenAI's shape */
export function refusalBody(status: number, body: Buffer, requestId?: string): object {
  const error = parsedObject(body.toString('utf8'))?.error
  const { message, code, param, request_id } = (error ?? {}) as Record<string, unknown>
  const words = textOf(message)
  const id = requestId ?? (typeof request_id === 'string' ? request_id : undefined)
  return anthropicErrorBody(status, isTooLong(status, body) ? tooLong(words) : words, id, {
    error_code: code,
    ...(typeof param === 'string' && { param }),
  })
}

const NUMBERS = /context is (\d+) tokens.*?\((?:at least )?(\d+) in the prompt/

/** The wire's own beginning of this sentence, by which agent programs know to shorten a prompt. */
function tooLong(words: string): string {
  const [, context, prompt] = NUMBERS.exec(words) ?? []
  if (prompt === undefined) return `prompt is too long: ${words}`
  return `prompt is too long: ${prompt} tokens > ${context} maximum`
}
