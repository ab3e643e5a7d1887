/** Signing in and out, the own password, and one-time links. */
import type { IncomingMessage } from 'node:http'
import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { GristmillError } from '../base/index.ts'
import type { Sessions, SignedIn } from './access.ts'
import { type Api, type ApiEnvironment, answer, body, needs, schemas } from './api.ts'
import type { ClientAddress } from './client-address.ts'
import type { LinkView, SessionView } from './contract.ts'
import { checkOrigin, csrfToken } from './csrf.ts'
import type { Login, NewSession } from './login.ts'
import { readLink } from './one-time-links.ts'
import { linkUse, type People, password } from './people.ts'
import { permissionsOf } from './permissions.ts'
import type { HttpOptions } from './services.ts'
import type { AttemptThrottle } from './throttle.ts'

export interface SessionParts {
  login: Login
  people: People
  sessions: Sessions
  throttle: AttemptThrottle
  address: ClientAddress
}

const tags = ['session']
const credentials = z.strictObject({
  email: z.string().min(1).max(200),
  password: z.string().min(1).max(128),
})

const readSession = createRoute({
  ...needs('public'),
  tags,
  method: 'get',
  path: '/api/session',
  summary: 'Who is signed in; user is null where nobody is',
  responses: { 200: answer('The session.', schemas.session) },
})

const signIn = createRoute({
  ...needs('public'),
  tags,
  method: 'post',
  path: '/api/session',
  summary: 'Sign in with email address and password',
  request: { body: body(credentials) },
  responses: { 200: answer('The session; its cookie is set.', schemas.session) },
})

const signOut = createRoute({
  ...needs('signed-in'),
  tags,
  method: 'delete',
  path: '/api/session',
  summary: 'Sign out',
  responses: { 200: answer('The session, of nobody.', schemas.session) },
})

const changePassword = createRoute({
  ...needs('signed-in'),
  tags,
  method: 'post',
  path: '/api/session/password',
  summary: 'Change the own password; every other session ends',
  request: {
    body: body(z.strictObject({ current: z.string().min(1).max(128), next: password })),
  },
  responses: { 200: answer('The new session; its cookie is set.', schemas.session) },
})

const inspectLink = createRoute({
  ...needs('public'),
  tags,
  method: 'get',
  path: '/api/link',
  summary: 'What a one-time link is for',
  request: { query: z.object({ token: z.string().min(1).max(200) }) },
  responses: { 200: answer('The link.', schemas.link) },
})

const redeemLink = createRoute({
  ...needs('public'),
  tags,
  method: 'post',
  path: '/api/link',
  summary: 'Use a one-time link up: set name and password, and sign in',
  request: { body: body(linkUse) },
  responses: { 200: answer('The session; its cookie is set.', schemas.session) },
})

/** @param api where the routes are added */
export function sessionRoutes(api: Api, options: HttpOptions, parts: SessionParts): void {
  const { login, people, sessions, throttle, address } = parts
  const show = (person: SignedIn | null) => sessionView(options, people, person)
  /** Makes an attempt that is counted against address and account unless it succeeds. */
  const attempt = async <T>(request: IncomingMessage, account: string, run: () => Promise<T>) => {
    checkOrigin(request, options.publicUrl)
    const from = address.of(request)
    throttle.begin(from, account)
    const result = await run()
    throttle.forgive(from, account)
    return result
  }

  api.openapi(readSession, async (c) =>
    c.json(await show(await sessions.signedIn(c.env.incoming)), 200),
  )
  api.openapi(signIn, async (c) => {
    const { email, password: given } = c.req.valid('json')
    const from = address.of(c.env.incoming)
    const mayUse = options.passwordLogin || (await people.isBreakGlass(email))
    const made = await attempt(c.env.incoming, email, async () => {
      // The answer is the same whether it was their address or their password.
      if (!mayUse) throw passwordLoginOff()
      return login.signIn(email, given, from, agentOf(c)).catch((error: unknown) => {
        throw options.passwordLogin || !isLoginFailed(error) ? error : passwordLoginOff(error)
      })
    })
    const actor = { name: `user:${email.toLowerCase()}`, from }
    const entry = { action: 'session.sign-in', subject: 'session', tenantId: null, detail: {} }
    await options.tenancy.audit.record(actor, entry)
    return c.json(await show(await begin(c, parts, made)), 200)
  })
  api.openapi(signOut, async (c) => {
    setCookies(c, await login.signOut(c.req.header('cookie') ?? ''))
    return c.json(await show(null), 200)
  })
  api.openapi(changePassword, async (c) => {
    const { current, next } = c.req.valid('json')
    const { actor, userId } = c.get('access')
    const made = await attempt(c.env.incoming, actor.name, () =>
      login.changePassword(c.req.header('cookie') ?? '', current, next),
    )
    const entry = { action: 'user.change-password', subject: userId ?? '', tenantId: null }
    await options.tenancy.audit.record(actor, { ...entry, detail: {} })
    return c.json(await show(await begin(c, parts, made)), 200)
  })
  linkRoutes(api, options, parts, attempt)
}

const isLoginFailed = (error: unknown) =>
  error instanceof GristmillError && error.code === 'login_failed'

const passwordLoginOff = (cause?: unknown) =>
  new GristmillError('password_login_off', {}, { cause })

/** What a browser calls itself, as it is kept with a session. */
export const agentOf = (c: Context) => (c.req.header('user-agent') ?? '').slice(0, 300)

type Attempt = <T>(request: IncomingMessage, account: string, run: () => Promise<T>) => Promise<T>

function linkRoutes(api: Api, options: HttpOptions, parts: SessionParts, attempt: Attempt): void {
  const { people, login, address } = parts
  api.openapi(inspectLink, async (c) => {
    const { token } = c.req.valid('query')
    const read = () => readLink(options.database.sql, options.clock, token)
    const { kind, name, email, expiresAt } = await attempt(c.env.incoming, token, read)
    const view: LinkView = { kind, name, email, expiresAt: expiresAt.toISOString() }
    return c.json(view, 200)
  })
  api.openapi(redeemLink, async (c) => {
    const input = c.req.valid('json')
    const from = address.of(c.env.incoming)
    const redeem = async () => {
      const { kind } = await readLink(options.database.sql, options.clock, input.token)
      if (kind === 'invite' && !options.passwordLogin) throw passwordLoginOff()
      return people.redeem(input, from)
    }
    const person = await attempt(c.env.incoming, input.token, redeem)
    const made = await login.signIn(person.email, input.password, from, agentOf(c))
    const signedIn = await begin(c, parts, made)
    return c.json(await sessionView(options, people, signedIn), 200)
  })
}

/** Sets a new session's cookies and tells whose it is. */
async function begin(
  c: Context<ApiEnvironment>,
  { login, people }: SessionParts,
  { cookies, token }: NewSession,
): Promise<SignedIn | null> {
  setCookies(c, cookies)
  const cookie = cookies.map((one) => one.split(';')[0]).join('; ')
  const session = await login.session(cookie)
  if (session === null) return null
  const { id: userId, name, email, role, tenantIds, origin } = await people.get(session.userId)
  return { userId, name, email, role, tenantIds, origin, sessionToken: token }
}

export function setCookies(c: Context<ApiEnvironment>, cookies: string[]): void {
  for (const cookie of cookies) c.header('set-cookie', cookie, { append: true })
}

async function sessionView(
  options: HttpOptions,
  people: People,
  person: SignedIn | null,
): Promise<SessionView> {
  const { sessionSecret, version, issuer, passwordLogin } = options
  const { currency } = options.prices
  const signIn = { provider: issuer?.options.name ?? null, password: passwordLogin }
  if (person === null) {
    const firstRun = await people.isFirstRun()
    return { user: null, permissions: [], firstRun, csrfToken: '', version, currency, signIn }
  }
  const { userId: id, name, email, role, tenantIds, origin, sessionToken } = person
  return {
    user: { id, name, email, role, tenantIds, origin },
    permissions: [...permissionsOf(role)],
    firstRun: false,
    csrfToken: csrfToken(sessionSecret, sessionToken),
    version,
    currency,
    signIn,
  }
}
