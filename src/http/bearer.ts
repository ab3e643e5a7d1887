/** The secret that a request carries, from `Authorization: Bearer` or `x-api-key`. */
import type { IncomingHttpHeaders } from 'node:http'

/** The secret, or undefined where there is none or it is empty. */
export function secretOf(headers: IncomingHttpHeaders): string | undefined {
  const { authorization } = headers
  if (authorization !== undefined && /^bearer /i.test(authorization)) {
    return authorization.slice(7).trim() || undefined
  }
  const key = headers['x-api-key']
  return typeof key === 'string' ? key.trim() || undefined : undefined
}
