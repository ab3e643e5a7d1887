/** From the cookie of a request to the person behind it, with role and tenants as of now. */
import type { IncomingMessage } from 'node:http'
import { GristmillError } from '../base/index.ts'
import type { Sessions, SignedIn } from './access.ts'
import { checkCsrfToken, checkOrigin } from './csrf.ts'
import type { Login } from './login.ts'
import type { People } from './people.ts'
import type { HttpOptions } from './services.ts'

type Options = Pick<HttpOptions, 'database' | 'sessionSecret' | 'publicUrl' | 'passwordLogin'>

/** @param options the secret that signs tokens, and where the console lives */
export function sessions(options: Options, login: Login, people: People): Sessions {
  return {
    async signedIn(request) {
      const { cookie } = request.headers
      if (!cookie?.includes('session_token=')) return null
      if (!options.database.isUp()) throw databaseAway()
      const session = await login.session(cookie)
      if (session === null) return null
      const { userId, token: sessionToken } = session
      const { name, email, role, tenantIds, ...person } = await people.get(userId)
      const { origin, state, isBreakGlass } = person
      // A session of before passwords were switched off ends with them.
      const isOff = !options.passwordLogin && origin === 'local' && !isBreakGlass
      if (state !== 'active' || isOff) return null
      return { userId, name, email, role, tenantIds, origin, sessionToken }
    },
    checkChange(request: IncomingMessage, person: SignedIn) {
      checkOrigin(request, options.publicUrl)
      checkCsrfToken(request, options.sessionSecret, person.sessionToken)
    },
  }
}

function databaseAway(): GristmillError {
  const reason = 'the database cannot be reached'
  return new GristmillError('not_ready', { reason }, { retryAfterMs: 2000 })
}
