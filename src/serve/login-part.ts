/** How people prove who they are: secrets of sessions, passwords, and the identity provider. */
import { hkdfSync } from 'node:crypto'
import type { Clock, Config } from '../base/index.ts'
import type { Home } from '../host/index.ts'
import { Issuer } from '../tenancy/index.ts'
import { localToken } from './server-file.ts'

/** @param home where the secret of sessions is, unless gateways share one */
export function loginPart(config: Config, home: Home, clock: Clock) {
  const { contentKey, oidc, passwordLogin } = config
  // Gateways on one database share the content key, and so the sessions that any of them began.
  const shared = contentKey && new Uint8Array(hkdfSync('sha256', contentKey, '', 'sessions', 32))
  return {
    sessionSecret: shared ?? home.secret('sessions'),
    localToken: localToken(home),
    issuer: oidc && new Issuer({ ...oidc, clock }),
    passwordLogin,
  }
}
