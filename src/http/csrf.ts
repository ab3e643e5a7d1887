/** Changes come from our own pages: the origin check, and a token tied to the session. */
import { createHmac } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { GristmillError } from '../base/index.ts'
import { isSame } from './access.ts'

export const CSRF_HEADER = 'x-csrf-token'

/** The token of a session: worthless without its cookie, and gone with it. */
export function csrfToken(secret: Uint8Array, sessionToken: string): string {
  return createHmac('sha256', secret).update(`csrf ${sessionToken}`).digest('base64url')
}

/** @throws GristmillError `csrf_token_invalid` */
export function checkCsrfToken(
  request: IncomingMessage,
  secret: Uint8Array,
  sessionToken: string,
): void {
  const given = request.headers[CSRF_HEADER]
  if (typeof given === 'string' && isSame(given, csrfToken(secret, sessionToken))) return
  throw new GristmillError('csrf_token_invalid')
}

/**
 * Browsers name the page that a request comes from; it must be ours. Programs name none.
 * @throws GristmillError `bad_origin`
 */
export function checkOrigin(request: IncomingMessage, publicUrl: string | undefined): void {
  const { origin, host } = request.headers
  const site = request.headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin' && site !== 'none') {
    throw new GristmillError('bad_origin')
  }
  if (origin === undefined) return
  const isOurs =
    URL.canParse(origin) &&
    (new URL(origin).host === host ||
      (publicUrl !== undefined && new URL(publicUrl).origin === origin))
  if (!isOurs) throw new GristmillError('bad_origin')
}
