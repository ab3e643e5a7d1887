/**
 * An OpenID provider as seen from here: what it says about itself (discovery), its keys, and
 * whether a token is one of its own. Who the token stands for is decided elsewhere.
 */
import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { z } from 'zod'
import { type Clock, GristmillError } from '../base/index.ts'

export interface IssuerOptions {
  /** As in its tokens, letter by letter. */
  issuer: string
  /** What people call it. */
  name: string
  clientId: string
  clientSecret: string | undefined
  /** Claim that holds the groups. */
  groupsClaim: string
  scopes: string
  clock: Clock
}

/** Endpoints of a provider, from its discovery document. */
export interface ProviderMetadata {
  authorizationEndpoint: string
  tokenEndpoint: string
}

export interface Expected {
  /** One of them must be the token's. */
  audiences: readonly string[]
  nonce?: string
}

const DISCOVERED_FOR_MS = 3_600_000
const ANSWER_MS_MAX = 5000
const DOCUMENT_BYTES_MAX = 256 * 1024
const RETRY_MS = 5000
/** Clocks of providers may differ from ours by this much. */
export const LEEWAY_S = 60
/** Signatures that need nothing secret of ours. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384']
const MORE_ALGORITHMS = ['ES512', 'EdDSA', 'Ed25519']

const document = z.object({
  issuer: z.string(),
  authorization_endpoint: z.url(),
  token_endpoint: z.url(),
  jwks_uri: z.url(),
})

interface Known extends ProviderMetadata {
  keys: JWTVerifyGetKey
  readAtMs: number
}

export class Issuer {
  readonly options: IssuerOptions
  #known: Known | undefined
  #reading: Promise<Known> | undefined

  constructor(options: IssuerOptions) {
    this.options = options
  }

  /** @throws GristmillError `identity_provider_unreachable` */
  metadata(): Promise<ProviderMetadata> {
    return this.#read()
  }

  /**
   * The claims of a token that is this provider's, for us and of now.
   * @throws GristmillError `token_invalid` with why, `identity_provider_unreachable`
   */
  async verify(token: string, { audiences, nonce }: Expected): Promise<JWTPayload> {
    const { keys } = await this.#read()
    const { issuer, clock } = this.options
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer,
        audience: [...audiences],
        algorithms: [...ALGORITHMS, ...MORE_ALGORITHMS],
        requiredClaims: ['sub', 'exp', 'iat'],
        clockTolerance: LEEWAY_S,
        currentDate: new Date(clock.nowMs()),
      })
      if (nonce !== undefined && payload.nonce !== nonce) throw invalid('its nonce is another')
      return payload
    } catch (error) {
      throw this.#explained(error)
    }
  }

  /** Groups that a token's claim names; none where it has no such claim. */
  groupsOf(claims: JWTPayload): string[] {
    const claim = claims[this.options.groupsClaim]
    const names = typeof claim === 'string' ? [claim] : Array.isArray(claim) ? claim : []
    return names.filter((name): name is string => typeof name === 'string')
  }

  #read(): Promise<Known> {
    const nowMs = this.options.clock.monotonicMs()
    if (this.#known && nowMs - this.#known.readAtMs < DISCOVERED_FOR_MS) {
      return Promise.resolve(this.#known)
    }
    this.#reading ??= this.#discover().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  /** While the provider is away, what it said before goes on to hold. */
  async #discover(): Promise<Known> {
    const readAtMs = this.options.clock.monotonicMs()
    try {
      const found = await this.#fetchDocument()
      this.#known = {
        authorizationEndpoint: found.authorization_endpoint,
        tokenEndpoint: found.token_endpoint,
        keys: createRemoteJWKSet(new URL(found.jwks_uri), { timeoutDuration: ANSWER_MS_MAX }),
        readAtMs,
      }
      return this.#known
    } catch (error) {
      if (this.#known) return this.#known
      throw this.unreachable(error)
    }
  }

  async #fetchDocument(): Promise<z.infer<typeof document>> {
    const { issuer, clock } = this.options
    const abort = new AbortController()
    const late = clock.after(ANSWER_MS_MAX, () => abort.abort())
    try {
      const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
      const response = await fetch(url, { signal: abort.signal, redirect: 'error' })
      if (!response.ok) throw new Error(`it answers ${response.status} at ${url}`)
      const text = await response.text()
      if (text.length > DOCUMENT_BYTES_MAX) throw new Error('its discovery document is too large')
      const parsed = document.safeParse(JSON.parse(text))
      if (!parsed.success) throw new Error('its discovery document lacks what is needed')
      if (parsed.data.issuer !== issuer) {
        throw new Error(`it calls itself ${parsed.data.issuer}, not ${issuer}`)
      }
      return parsed.data
    } finally {
      late.cancel()
    }
  }

  /** Why a provider could not be asked, as an error for whoever waits for it. */
  unreachable(error: unknown): GristmillError {
    const { name } = this.options
    const reason = reasonOf(error)
    const options = { cause: error, retryAfterMs: RETRY_MS }
    return new GristmillError('identity_provider_unreachable', { name, reason }, options)
  }

  #explained(error: unknown): GristmillError {
    if (error instanceof GristmillError) return error
    if (error instanceof errors.JWTExpired) return invalid('it has expired', error)
    if (error instanceof errors.JWTClaimValidationFailed) {
      return invalid(`its ${error.claim} is not what it must be`, error)
    }
    if (error instanceof errors.JWKSNoMatchingKey) {
      return invalid('the provider has no such key', error)
    }
    const isAway = error instanceof errors.JWKSTimeout || !isAboutToken(error)
    return isAway ? this.unreachable(error) : invalid('its signature or form is wrong', error)
  }
}

/** The generic error of the library is what it throws where keys could not be fetched. */
const isAboutToken = (error: unknown) =>
  error instanceof errors.JOSEError && error.code !== 'ERR_JOSE_GENERIC'

const invalid = (reason: string, cause?: unknown) =>
  new GristmillError('token_invalid', { reason }, { cause })

/** What the system says is behind what `fetch` says. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'AbortError' || error.name === 'TimeoutError') return 'it does not answer'
  const { cause } = error
  return cause instanceof Error && cause.message !== '' ? cause.message : error.message
}
