/**
 * Signing in with an OpenID provider: authorization code with PKCE, state and nonce. What must be
 * remembered until the answer comes is sealed in a cookie, so that any gateway can take it.
 */
import { createHash } from 'node:crypto'
import { createAuthorizationURL, validateAuthorizationCode } from 'better-auth/oauth2'
import { z } from 'zod'
import { type Clock, GristmillError, type Random, sealBytes, unsealBytes } from '../base/index.ts'
import type { Issuer } from '../tenancy/index.ts'
import { isSame } from './access.ts'
import type { DirectoryIdentity } from './directory.ts'

export interface OidcLoginOptions {
  issuer: Issuer
  clock: Clock
  random: Random
  sessionSecret: Uint8Array
  /** Address of the console, without a slash at its end. */
  url: () => string
}

/** What is remembered of a sign-in that is under way. */
const underWay = z.object({
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  /** Path of the console to go to afterwards. */
  to: z.string(),
  endsAtMs: z.number(),
})
type UnderWay = z.infer<typeof underWay>

export interface OidcLogin {
  /** @param to path to go to afterwards @throws GristmillError `identity_provider_unreachable` */
  begin(to: string): Promise<{ url: string; cookie: string }>
  /**
   * Who has come back with an answer of the provider.
   * @param query of the address that they came to
   * @param cookies the `Cookie` header
   * @throws GristmillError `oidc_failed`, `token_invalid`, `identity_provider_unreachable`
   */
  finish(
    query: URLSearchParams,
    cookies: string,
  ): Promise<{ identity: DirectoryIdentity; to: string }>
  /** The cookie that forgets a sign-in. */
  forget(): string
}

export const CALLBACK_PATH = '/api/session/oidc/callback'
const COOKIE = 'gristmill.oidc'
const SEALED_FOR = 'oidc sign-in'
const TIME_S = 600

/** @param options the provider, and where answers are to come */
export function oidcLogin(options: OidcLoginOptions): OidcLogin {
  const { issuer, clock, random, url } = options
  const { clientId, clientSecret, scopes, name } = issuer.options
  const key = createHash('sha256').update('oidc').update(options.sessionSecret).digest()
  const word = () => Buffer.from(random.bytes(32)).toString('base64url')
  const redirectURI = () => url() + CALLBACK_PATH
  const failed = (reason: string, cause?: unknown) =>
    new GristmillError('oidc_failed', { name, reason }, { cause })
  const client = { clientId, ...(clientSecret !== undefined && { clientSecret }) }
  return {
    async begin(to) {
      const { authorizationEndpoint } = await issuer.metadata()
      const endsAtMs = clock.nowMs() + TIME_S * 1000
      const begun: UnderWay = { state: word(), nonce: word(), verifier: word(), to, endsAtMs }
      const target = await createAuthorizationURL({
        id: 'oidc',
        options: client,
        authorizationEndpoint,
        redirectURI: redirectURI(),
        state: begun.state,
        nonce: begun.nonce,
        codeVerifier: begun.verifier,
        scopes: scopes.split(' '),
      })
      const sealed = sealBytes(key, Buffer.from(JSON.stringify(begun)), SEALED_FOR, random)
      return { url: target.href, cookie: cookie(url(), sealed.toString('base64url'), TIME_S) }
    },
    async finish(query, cookies) {
      const begun = readCookie(key, cookies)
      if (begun === null || clock.nowMs() > begun.endsAtMs) {
        throw failed('it was begun in another browser, or more than ten minutes ago')
      }
      if (!isSame(query.get('state') ?? '', begun.state))
        throw failed('the answer is to another one')
      const refusal = query.get('error_description') ?? query.get('error')
      if (refusal !== null) throw failed(`it says "${refusal.slice(0, 200)}"`)
      const { tokenEndpoint } = await issuer.metadata()
      const tokens = await validateAuthorizationCode({
        code: query.get('code') ?? '',
        codeVerifier: begun.verifier,
        redirectURI: redirectURI(),
        options: client,
        tokenEndpoint,
        ...(clientSecret !== undefined && { authentication: 'basic' as const }),
      }).catch((error: unknown) => {
        throw refusedCode(error, issuer, failed)
      })
      if (tokens.idToken === undefined) throw failed('its answer has no ID token')
      const expected = { audiences: [clientId], nonce: begun.nonce }
      const claims = await issuer.verify(tokens.idToken, expected)
      return { identity: identityOf(claims, issuer, failed), to: begun.to }
    },
    forget: () => cookie(url(), '', 0),
  }
}

/** Sent along when the provider sends people back, which only `Lax` allows. */
function cookie(url: string, value: string, ageS: number): string {
  const secure = url.startsWith('https:') ? '; Secure' : ''
  const age = `Max-Age=${ageS}`
  return `${COOKIE}=${value}; Path=${CALLBACK_PATH}; ${age}; HttpOnly; SameSite=Lax${secure}`
}

function readCookie(key: Uint8Array, cookies: string): UnderWay | null {
  const found = cookies.split(/; */).find((one) => one.startsWith(`${COOKIE}=`))
  if (found === undefined) return null
  try {
    const sealed = Buffer.from(found.slice(COOKIE.length + 1), 'base64url')
    return underWay.parse(JSON.parse(unsealBytes(key, sealed, SEALED_FOR).toString()))
  } catch {
    // Changed, or of before the secret was: as good as none.
    return null
  }
}

/** The provider refused the code, which it says with a status, or it could not be asked. */
function refusedCode(
  error: unknown,
  issuer: Issuer,
  failed: (reason: string, cause: unknown) => GristmillError,
): GristmillError {
  const { status, error: code } = error as { status?: unknown; error?: unknown }
  if (typeof status !== 'number' || status === 0 || status >= 500) return issuer.unreachable(error)
  return failed(`it refuses the code (${typeof code === 'string' ? code : status})`, error)
}

function identityOf(
  claims: Awaited<ReturnType<Issuer['verify']>>,
  issuer: Issuer,
  failed: (reason: string) => GristmillError,
): DirectoryIdentity {
  const { sub = '', email, email_verified: isVerified, name, preferred_username: known } = claims
  const address = z.email().max(200).toLowerCase().safeParse(email)
  if (!address.success) throw failed('its ID token has no email address')
  const title = typeof name === 'string' ? name : typeof known === 'string' ? known : address.data
  return {
    issuer: issuer.options.issuer,
    subject: sub,
    email: address.data,
    isEmailVerified: isVerified === true || isVerified === 'true',
    name:
      title
        .replace(/\p{Cc}/gu, ' ')
        .trim()
        .slice(0, 100) || address.data,
    groups: issuer.groupsOf(claims),
  }
}
