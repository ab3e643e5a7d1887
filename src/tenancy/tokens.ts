/**
 * Calls with a token of the identity provider in place of a key: whom a token stands for, and the
 * key that is kept for them. A token is checked once; the authenticator remembers what it came to.
 */
import type { JWTPayload } from 'jose'
import { type Clock, GristmillError, type Random } from '../base/index.ts'
import type { Database } from '../store/index.ts'
import { type AccessRules, type Granted, grantedBy } from './access-rules.ts'
import { type Issuer, LEEWAY_S } from './issuer.ts'
import { entryOfKey, type KeyEntry } from './key-lookup.ts'
import { type SubjectKeys, subjectKeys } from './subject-keys.ts'
import type { Role } from './types.ts'

export interface TokenOptions {
  issuer: Issuer
  /** Audiences that are ours; none: no token is taken. */
  audiences: readonly string[]
  /** Somebody who has signed in to the console or whom the directory has told of; else null. */
  personOf(account: string): Promise<KnownPerson | null>
}

export interface KnownPerson {
  state: 'active' | 'deactivated' | 'no_rule'
  groups: readonly string[]
}

/** Whom a token stands for under `/api`. */
export interface TokenAccess extends Granted {
  /** For the audit log, and for whatever is somebody's. */
  actorName: string
}

interface Bearer {
  /** Issuer and subject. */
  account: string
  /** For people to read. */
  name: string
  actorName: string
  /** By the wall clock. */
  endsAtMs: number
  serviceAccount: ServiceAccountRow | null
  granted: Granted | null
}

interface ServiceAccountRow {
  id: string
  name: string
  tenantId: string
  disabledAt: Date | null
}

export interface TokenContext {
  database: Database
  clock: Clock
  random: Random
  rules: AccessRules
}

/** A change of groups at the provider counts after so long, however long its tokens are good. */
const COUNTS_MS_MAX = 15 * 60_000
/** Roles that may use the API, as they may use the playground. */
const CALLING: readonly Role[] = ['owner', 'operator', 'member']

/** Three parts, of which the first begins like every JSON object in base64. */
export const isToken = (secret: string) =>
  secret.startsWith('eyJ') && secret.split('.').length === 3

export class TokenBearers {
  readonly #context: TokenContext
  readonly #options: TokenOptions
  readonly #keys: SubjectKeys

  constructor(context: TokenContext, options: TokenOptions) {
    this.#context = context
    this.#options = options
    this.#keys = subjectKeys(context)
  }

  /** Whether a secret is for here, rather than a key. */
  takes(secret: string): boolean {
    return this.#options.audiences.length > 0 && isToken(secret)
  }

  /**
   * The key of whom a token stands for, made at the first time.
   * @throws GristmillError `token_invalid`, `no_rule_fits`, `forbidden`, `token_tenant_unclear`,
   *   `account_deactivated`, `identity_provider_unreachable`
   */
  async find(token: string): Promise<KeyEntry> {
    const bearer = await this.#bearerOf(token)
    const { account, name, actorName, serviceAccount } = bearer
    const tenantId = serviceAccount?.tenantId ?? tenantOf(bearer)
    const serviceAccountId = serviceAccount?.id ?? null
    const keyId = await this.#keys
      .of({ subject: account, name, actorName, tenantId, serviceAccountId })
      .catch((error: unknown) => {
        const isGone = error instanceof GristmillError && error.code === 'not_found'
        throw isGone ? tenantEnded() : error
      })
    const entry = await entryOfKey(this.#context.database, keyId)
    if (entry === null) throw tenantEnded()
    const nowMs = this.#context.clock.nowMs()
    const untilMs = Math.min(bearer.endsAtMs, nowMs + COUNTS_MS_MAX, entry.validUntilMs)
    return { ...entry, validUntilMs: untilMs, isToken: true }
  }

  /**
   * What somebody with a token may under `/api`.
   * @throws GristmillError as `find`; accounts of programs may nothing there
   */
  async access(token: string): Promise<TokenAccess> {
    const { name, actorName, granted } = await this.#bearerOf(token)
    if (granted !== null) return { ...granted, actorName }
    throw new GristmillError('forbidden', { actor: name, action: 'use the admin API' })
  }

  async #bearerOf(token: string): Promise<Bearer> {
    const { issuer, audiences, personOf } = this.#options
    const claims = await issuer.verify(token, { audiences })
    const { sub = '', exp = 0 } = claims
    const account = `${issuer.options.issuer} ${sub}`
    const [serviceAccount = null] = await this.#context.database.sql<ServiceAccountRow[]>`
      select id, name, tenant_id as "tenantId", disabled_at as "disabledAt"
      from service_accounts where token_subject = ${sub}`
    const email = verifiedEmail(claims)
    const name = (serviceAccount?.name ?? email ?? sub).slice(0, 100)
    const actorName = `token:${email ?? account}`
    const endsAtMs = (exp + LEEWAY_S) * 1000
    const bearer = { account, name, actorName, endsAtMs, serviceAccount }
    if (serviceAccount !== null) {
      if (serviceAccount.disabledAt === null) return { ...bearer, granted: null }
      throw new GristmillError('account_deactivated', { who: name })
    }
    const person = await personOf(account)
    if (person?.state === 'deactivated') {
      throw new GristmillError('account_deactivated', { who: name })
    }
    const groups = [...new Set([...issuer.groupsOf(claims), ...(person?.groups ?? [])])]
    const granted = grantedBy(await this.#context.rules.list(), groups)
    if (granted === null) throw new GristmillError('no_rule_fits', { who: name })
    return { ...bearer, granted }
  }
}

const tenantEnded = () => new GristmillError('token_invalid', { reason: 'its tenant has ended' })

/** An address that the provider does not vouch for may be anybody's, as may a chosen name. */
function verifiedEmail({ email, email_verified: isVerified }: JWTPayload): string | undefined {
  if (isVerified !== true && isVerified !== 'true') return undefined
  return typeof email === 'string' && email !== '' ? email : undefined
}

/** A call is charged to one tenant, so that it must be clear which. */
function tenantOf({ granted, name }: Bearer): string {
  if (granted === null || !CALLING.includes(granted.role)) {
    const action = `use the API with the role ${granted?.role ?? 'none'}`
    throw new GristmillError('forbidden', { actor: name, action })
  }
  const [tenantId, ...others] = granted.tenantIds
  if (tenantId !== undefined && others.length === 0) return tenantId
  const count = tenantId === undefined ? 'all' : granted.tenantIds.length
  throw new GristmillError('token_tenant_unclear', { who: name, count })
}
