/**
 * How an error looks on each wire that clients speak: the body, the last event of a stream that
 * has begun, and the header in which the wire's clients look for the request id.
 */
import { type GristmillError, openAiErrorBody } from './errors.ts'

export interface ErrorShape {
  /** Header of the request id beside `x-request-id`; null where that is enough. */
  idHeader: string | null
  body(error: GristmillError, requestId?: string): object
  /** A body as the last event of a stream. */
  event(body: string): string
}

export const openAiErrors: ErrorShape = {
  idHeader: null,
  body: openAiErrorBody,
  event: (body) => `data: ${body}\n\n`,
}

export const anthropicErrors: ErrorShape = {
  idHeader: 'request-id',
  body: (error, requestId) => {
    const { status, message, fix, code, details, retryAfterMs } = error
    return anthropicErrorBody(status, `${message} ${fix}`, requestId, {
      error_code: code,
      ...(typeof details.param === 'string' && { param: details.param }),
      ...(retryAfterMs !== undefined && { retry_after_ms: retryAfterMs }),
    })
  },
  event: (body) => `event: error\ndata: ${body}\n\n`,
}

/** @param details what is known beyond the words; `error_code` is what SDKs look for in it */
export function anthropicErrorBody(
  status: number,
  message: string,
  requestId: string | undefined,
  details: Record<string, unknown>,
): object {
  const error = { type: anthropicErrorType(status), message, details }
  return { type: 'error', error, request_id: requestId ?? null }
}

const TYPES: Record<number, string> = {
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  408: 'timeout_error',
  409: 'conflict_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
  529: 'overloaded_error',
}

/** The wire's word for what a status means. */
export function anthropicErrorType(status: number): string {
  return TYPES[status] ?? (status >= 500 ? 'api_error' : 'invalid_request_error')
}
