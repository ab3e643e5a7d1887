/** What the doors of this room have in common: how they answer and how they refuse a method. */
import type { ServerResponse } from 'node:http'
import { GristmillError } from '../base/index.ts'

export function notAllowed(method: string, path: string, allowed: string): GristmillError {
  return new GristmillError('method_not_allowed', { method, path, allowed })
}

/** Headers by which an answer is found again. */
export const answerIds = (requestId: string) => ({
  'x-request-id': requestId,
  'x-gristmill-request-id': requestId,
})

/** Answers with an object. */
export function sendView(response: ServerResponse, view: object, requestId: string): void {
  const text = JSON.stringify(view)
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...answerIds(requestId),
  })
  response.end(text)
}
