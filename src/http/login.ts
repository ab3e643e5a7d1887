/**
 * Sessions of people, by the login library: the one place that knows it. Who somebody is and what
 * a password must be is decided in `people.ts`.
 */
import { betterAuth } from 'better-auth'
import { APIError, createAuthEndpoint } from 'better-auth/api'
import { setSessionCookie } from 'better-auth/cookies'
import { PostgresJSDialect } from 'kysely-postgres-js'
import { z } from 'zod'
import { type Clock, GristmillError, type Logger, newId, type Random } from '../base/index.ts'
import type { Database } from '../store/index.ts'

export interface LoginOptions {
  database: Database
  clock: Clock
  random: Random
  logger: Logger
  sessionSecret: Uint8Array
  publicUrl?: string | undefined
}

export interface Login {
  /** Session of a `Cookie` header, or null. */
  session(cookie: string): Promise<{ userId: string; token: string } | null>
  /** Makes a session. @throws GristmillError `login_failed` */
  signIn(email: string, password: string, from: string, agent: string): Promise<NewSession>
  /** Makes a session for somebody whom an identity provider vouches for; a shorter one. */
  begin(personId: string, from: string, agent: string): Promise<NewSession>
  /** Ends the session of a `Cookie` header; the cookies to send delete it. */
  signOut(cookie: string): Promise<string[]>
  /** Ends every other session too. @throws GristmillError `login_failed` */
  changePassword(cookie: string, current: string, next: string): Promise<NewSession>
  /** What is stored of a password. */
  hashPassword(password: string): Promise<string>
}

export interface NewSession {
  /** Values of `Set-Cookie`. */
  cookies: string[]
  token: string
}

export const SESSION_S = 7 * 86_400
/** A provider tells nobody that somebody has left, so that it is asked again every day. */
const VOUCHED_SESSION_S = 12 * 3600
/** Told to the library so that it records where a session was begun; never read from outside. */
const ADDRESS_HEADER = 'x-gristmill-client-address'

const columns = {
  userId: 'user_id',
  createdAt: 'created_at',
  updatedAt: 'updated_at',
  expiresAt: 'expires_at',
}

/** Makes a session without a password, which the library leaves to plugins. */
const beginning = (clock: Clock) => ({
  id: 'gristmill',
  endpoints: {
    beginSession: createAuthEndpoint(
      '/gristmill/begin-session',
      { method: 'POST', body: z.object({ personId: z.string() }), metadata: { SERVER_ONLY: true } },
      async (c) => {
        const { internalAdapter } = c.context
        const user = await internalAdapter.findUserById(c.body.personId)
        if (user === null) throw new APIError('UNAUTHORIZED')
        const expiresAt = new Date(clock.nowMs() + VOUCHED_SESSION_S * 1000)
        const session = await internalAdapter.createSession(user.id, false, { expiresAt }, true)
        await setSessionCookie(c, { session, user }, false, { maxAge: VOUCHED_SESSION_S })
        return c.json({ token: session.token })
      },
    ),
  },
})

function openLibrary({ database, clock, random, logger, sessionSecret, publicUrl }: LoginOptions) {
  const { userId, createdAt, updatedAt, expiresAt } = columns
  return betterAuth({
    database: { dialect: new PostgresJSDialect({ postgres: database.sql }), type: 'postgres' },
    secret: Buffer.from(sessionSecret).toString('base64url'),
    baseURL: publicUrl ?? 'http://localhost',
    telemetry: { enabled: false },
    plugins: [beginning(clock)],
    logger: {
      level: 'error',
      log: (_level, message) => logger.error({ message }, 'login library'),
    },
    // Throttling and origins are checked before the library is asked, for every route alike.
    rateLimit: { enabled: false },
    emailAndPassword: { enabled: true, disableSignUp: true, minPasswordLength: 1 },
    user: {
      modelName: 'people',
      fields: { emailVerified: 'email_verified', createdAt, updatedAt },
    },
    session: {
      modelName: 'people_sessions',
      fields: {
        userId,
        expiresAt,
        createdAt,
        updatedAt,
        ipAddress: 'ip_address',
        userAgent: 'user_agent',
      },
      expiresIn: SESSION_S,
      disableSessionRefresh: true,
    },
    account: {
      modelName: 'people_accounts',
      fields: {
        userId,
        createdAt,
        updatedAt,
        accountId: 'account_id',
        providerId: 'provider_id',
        accessToken: 'access_token',
        refreshToken: 'refresh_token',
        idToken: 'id_token',
        accessTokenExpiresAt: 'access_token_expires_at',
        refreshTokenExpiresAt: 'refresh_token_expires_at',
      },
    },
    verification: {
      modelName: 'people_verifications',
      fields: { expiresAt, createdAt, updatedAt },
    },
    advanced: {
      cookiePrefix: 'gristmill',
      useSecureCookies: publicUrl?.startsWith('https:') ?? false,
      defaultCookieAttributes: { sameSite: 'strict', httpOnly: true, path: '/' },
      ipAddress: { ipAddressHeaders: [ADDRESS_HEADER] },
      // The tables are ours and made by our migrations; a test signs in for real instead.
      database: { generateId: () => newId('evt', clock, random), validateSchema: false },
    },
  })
}

/** @param options database and secrets */
export function openLogin(options: LoginOptions): Login {
  const { api, $context } = openLibrary(options)
  const { database, clock, logger } = options
  /** The library forgets one when somebody comes with it, and nobody may. */
  const forgetExpired = async () => {
    try {
      await database.sql`delete from people_sessions where expires_at < ${new Date(clock.nowMs())}`
    } catch (error) {
      logger.warn({ err: error }, 'sessions that have ended stay until the next sign-in')
    }
  }
  return {
    async session(cookie) {
      const found = await available(api.getSession({ headers: new Headers({ cookie }) }))
      return found && { userId: found.user.id, token: found.session.token }
    },
    async signIn(email, password, from, agent) {
      const headers = new Headers({ [ADDRESS_HEADER]: from, 'user-agent': agent })
      const body = { email, password }
      const answer = await refused(api.signInEmail({ body, headers, returnHeaders: true }))
      void forgetExpired()
      return { cookies: answer.headers.getSetCookie(), token: answer.response.token }
    },
    async begin(personId, from, agent) {
      const headers = new Headers({ [ADDRESS_HEADER]: from, 'user-agent': agent })
      const body = { personId }
      const answer = await available(api.beginSession({ body, headers, returnHeaders: true }))
      void forgetExpired()
      return { cookies: answer.headers.getSetCookie(), token: answer.response.token }
    },
    async signOut(cookie) {
      const answer = await api.signOut({ headers: new Headers({ cookie }), returnHeaders: true })
      return answer.headers.getSetCookie()
    },
    async changePassword(cookie, current, next) {
      const body = { currentPassword: current, newPassword: next, revokeOtherSessions: true }
      const headers = new Headers({ cookie })
      const answer = await refused(api.changePassword({ body, headers, returnHeaders: true }))
      return { cookies: answer.headers.getSetCookie(), token: answer.response.token ?? '' }
    },
    hashPassword: async (password) => (await $context).password.hash(password),
  }
}

/** The library hides why the database could not be asked behind an error of its own. */
async function available<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof APIError) || error.statusCode < 500) throw error
    const reason = 'sessions cannot be read'
    throw new GristmillError('not_ready', { reason }, { cause: error, retryAfterMs: 2000 })
  }
}

/** The library's refusals all mean the same to the person: it tells nobody which part was wrong. */
async function refused<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof APIError) || error.statusCode >= 500) throw error
    throw new GristmillError('login_failed', {}, { cause: error })
  }
}
