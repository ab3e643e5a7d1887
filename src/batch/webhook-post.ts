/** One attempt to deliver a webhook: signed, bounded in time, to where it may go only. */
import { createHmac } from 'node:crypto'
import type { Clock } from '../base/index.ts'
import { type OutboundAddresses, postOnce } from '../host/index.ts'

export interface WebhookMessage {
  id: string
  body: string
  url: string
  /** `whsec_` and base64. */
  secret: string
}

const PREFIX = 'whsec_'
export const POST_MS_MAX = 15_000
const ANSWER_BYTES_MAX = 16 * 1024

/** A secret as receivers configure it. */
export const secretOf = (bytes: Uint8Array) => `${PREFIX}${Buffer.from(bytes).toString('base64')}`

/** The headers of Standard Webhooks (standardwebhooks.com): HMAC-SHA256 of id, time and body. */
export function signedHeaders(message: WebhookMessage, nowMs: number): Record<string, string> {
  const { id, body, secret } = message
  const timestamp = String(Math.floor(nowMs / 1000))
  const key = Buffer.from(secret.slice(PREFIX.length), 'base64')
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signature}`,
  }
}

/**
 * Sends it once; redirects are not followed.
 * @returns undefined where it was acknowledged by a status 2xx, else why not
 */
export async function postWebhook(
  message: WebhookMessage,
  addresses: OutboundAddresses,
  clock: Clock,
): Promise<string | undefined> {
  const { url, body } = message
  const headers = signedHeaders(message, clock.nowMs())
  const post = { url, headers, body, timeoutMs: POST_MS_MAX, answerBytesMax: ANSWER_BYTES_MAX }
  try {
    const { status } = await postOnce(post, addresses, clock)
    return status >= 200 && status < 300 ? undefined : `it answered with ${status}`
  } catch (error) {
    return (error as Error).message || 'it could not be reached'
  }
}
