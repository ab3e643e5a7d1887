import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anthropicErrors, openAiErrors } from './error-shapes.ts'
import { type ErrorCode, errorTable, GristmillError } from './errors.ts'

/** The wire's words for statuses, as its documentation has them. */
const words = new Map([
  [400, 'invalid_request_error'],
  [401, 'authentication_error'],
  [402, 'billing_error'],
  [403, 'permission_error'],
  [404, 'not_found_error'],
  [408, 'timeout_error'],
  [409, 'conflict_error'],
  [413, 'request_too_large'],
  [429, 'rate_limit_error'],
  [500, 'api_error'],
  [503, 'overloaded_error'],
  [504, 'timeout_error'],
])

test('every error of the table has its word on Anthropic’s wire', () => {
  for (const code of Object.keys(errorTable) as ErrorCode[]) {
    const error = new GristmillError(code, { param: 'model' }, { retryAfterMs: 5 })
    const { status } = error
    const body = anthropicErrors.body(error, 'req_1')
    const near = status >= 500 ? 500 : 400
    const details = { error_code: code, param: 'model', retry_after_ms: 5 }
    const message = `${error.message} ${error.fix}`
    const type = words.get(status) ?? words.get(near)
    assert.deepEqual(body, {
      type: 'error',
      error: { type, message, details },
      request_id: 'req_1',
    })
  }
})

test('a late error is an event of its wire', () => {
  assert.equal(openAiErrors.event('{}'), 'data: {}\n\n')
  assert.equal(anthropicErrors.event('{}'), 'event: error\ndata: {}\n\n')
})
