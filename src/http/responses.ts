/** Answers on plain `node:http` responses: errors of the one table and small JSON bodies. */
import type { ServerResponse } from 'node:http'
import {
  type ErrorShape,
  errorHeaders,
  GristmillError,
  type Logger,
  openAiErrors,
  toGristmillError,
} from '../base/index.ts'
import { isUnreachable } from '../store/index.ts'

export const REQUEST_ID_HEADER = 'x-gristmill-request-id'
const DATABASE_RETRY_MS = 2000

/** Any thrown value as the error that the caller may see; what it may not see is logged. */
export function visibleError(thrown: unknown, logger: Logger, requestId: string): GristmillError {
  if (isUnreachable(thrown)) {
    const reason = 'the database cannot be reached'
    const options = { cause: thrown, retryAfterMs: DATABASE_RETRY_MS }
    return new GristmillError('not_ready', { reason }, options)
  }
  const error = toGristmillError(thrown)
  if (error.code === 'internal_error') logger.error({ err: thrown, requestId }, 'request failed')
  return error
}

/**
 * Sends an error, in OpenAI's shape unless another is given; where the answer has begun already it
 * is cut off instead.
 */
export function sendError(
  response: ServerResponse,
  error: GristmillError,
  requestId: string,
  headers: Record<string, string> = {},
  errors: ErrorShape = openAiErrors,
): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  // OpenAI's SDKs read an error's request id from the second name.
  const ids = {
    [REQUEST_ID_HEADER]: requestId,
    'x-request-id': requestId,
    ...(errors.idHeader !== null && { [errors.idHeader]: requestId }),
  }
  const all = { ...errorHeaders(error), ...headers, ...ids }
  sendJson(response, error.status, errors.body(error, requestId), all)
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  const text = JSON.stringify(body)
  response.writeHead(status, {
    ...headers,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  })
  response.end(text)
}
