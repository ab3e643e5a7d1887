/** The doors below `/v1/`: which wire a client speaks, and how its requests are read. */
import type { IncomingHttpHeaders } from 'node:http'
import {
  anthropicErrors,
  type ErrorShape,
  type Limits,
  openAiErrors,
  type ServiceClass,
} from '../base/index.ts'
import {
  type CanonicalRequest,
  type Endpoint,
  lowered,
  parseObject,
  readFields,
} from './canonical.ts'
import { readMessages } from './messages/request.ts'
import { MessagesTranslation } from './messages/translation.ts'
import { isForResponses, readInputAsChat, readResponses } from './responses/request.ts'
import { ResponsesTranslation } from './responses/translation.ts'
import type { Translation } from './translated-reply.ts'

export const MESSAGES = '/v1/messages'
export const COUNT_TOKENS = '/v1/messages/count_tokens'
export const RESPONSES = '/v1/responses'
const CHAT = '/v1/chat/completions'

/** Paths that take a body by POST. */
export const POST_PATHS = new Set<string>([
  CHAT,
  '/v1/completions',
  '/v1/embeddings',
  MESSAGES,
  COUNT_TOKENS,
  RESPONSES,
])

/**
 * True where the client speaks Anthropic's wire: by path, or, where that could be either, by the
 * header that its SDKs send.
 */
export function speaksAnthropic(path: string, headers: IncomingHttpHeaders): boolean {
  if (path.startsWith(MESSAGES)) return true
  return headers['anthropic-version'] !== undefined && !POST_PATHS.has(path)
}

/** How errors are told to a client. */
export function errorShapeOf(path: string, headers: IncomingHttpHeaders): ErrorShape {
  return speaksAnthropic(path, headers) ? anthropicErrors : openAiErrors
}

/** A request, and how to answer it where that is not in the engine's own words. */
export interface ReadAtDoor {
  request: CanonicalRequest
  translate?: (serviceClass: ServiceClass, requestId: string, nowMs: number) => Translation
}

/**
 * @param headers undefined for lines of batches
 * @throws GristmillError what is wrong with the body, naming the field
 */
export function readAtDoor(
  path: string,
  body: Buffer,
  limits: Limits,
  headers?: IncomingHttpHeaders,
): ReadAtDoor {
  if (path === MESSAGES) {
    const request = readMessages(body, limits, headers)
    const translate = (serviceClass: ServiceClass, requestId: string) =>
      new MessagesTranslation(request, serviceClass, requestId)
    return { request, translate }
  }
  if (path === RESPONSES) {
    const read = readResponses(parseObject(body), limits)
    const translate = (serviceClass: ServiceClass, requestId: string, nowMs: number) =>
      new ResponsesTranslation(read, serviceClass, requestId, nowMs)
    return { request: read.canonical, translate }
  }
  const fields = parseObject(body)
  const request =
    path === CHAT && isForResponses(fields)
      ? readInputAsChat(fields, limits)
      : readFields(path as Endpoint, body, fields, limits)
  return { request: lowered(request, limits) }
}
