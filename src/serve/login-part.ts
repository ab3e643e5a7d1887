/** How people and programs prove who they are: sessions, passwords, and the identity provider. */
import { hkdfSync } from 'node:crypto'
import type { Clock, Config } from '../base/index.ts'
import type { Home } from '../host/index.ts'
import { knownPerson } from '../http/index.ts'
import type { Database } from '../store/index.ts'
import { Issuer, type TokenOptions } from '../tenancy/index.ts'
import { sharedSecret } from './database-part.ts'
import { localToken } from './server-file.ts'

export type LoginPart = ReturnType<typeof loginPart>

/** @param home where the secret of sessions is, unless gateways share one */
export function loginPart(config: Config, home: Home, database: Database, clock: Clock) {
  const { contentKey, oidc, passwordLogin } = config
  // Gateways on one database share a key, and so the sessions that any of them began.
  const shared = contentKey && new Uint8Array(hkdfSync('sha256', contentKey, '', 'sessions', 32))
  const issuer = oidc && new Issuer({ ...oidc, clock })
  const tokens: TokenOptions | undefined = issuer && {
    issuer,
    audiences: oidc.audiences,
    personOf: (account) => knownPerson(database.sql, account),
  }
  return {
    http: {
      sessionSecret: shared ?? sharedSecret(config, home, 'sessions'),
      localToken: localToken(home),
      issuer,
      passwordLogin,
    },
    tokens,
  }
}
