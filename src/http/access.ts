/**
 * Who asks under `/api`: a signed-in person, a key with the right scope, or the command line of
 * this machine; and whether that is enough.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { GristmillError } from '../base/index.ts'
import type { Actor, Role, Tenancy } from '../tenancy/index.ts'
import type { Need } from './api.ts'
import { secretOf } from './bearer.ts'
import type { ClientAddress } from './client-address.ts'
import { type Permission, permissionsOf, permissionsOfScopes } from './permissions.ts'

/** By which the command line of this machine proves itself. */
export const LOCAL_HEADER = 'x-gristmill-local'

export interface Access {
  kind: 'person' | 'key' | 'token' | 'local'
  /** For the audit log. */
  actor: Actor
  permissions: ReadonlySet<Permission>
  /** Tenants within reach; null means all. */
  tenantIds: readonly string[] | null
  /** The signed-in person, null for keys and the command line. */
  userId: string | null
}

/** A person whose session is good. */
export interface SignedIn {
  userId: string
  name: string
  email: string
  role: Role
  tenantIds: string[]
  origin: 'local' | 'directory'
  sessionToken: string
}

/** What identity needs to know of sessions. */
export interface Sessions {
  /** The person of a request's session cookie, or null. */
  signedIn(request: IncomingMessage): Promise<SignedIn | null>
  /** @throws GristmillError `bad_origin`, `csrf_token_invalid` */
  checkChange(request: IncomingMessage, person: SignedIn): void
}

export interface Identity {
  /**
   * Who asks, if that is enough for what is needed.
   * @throws GristmillError `login_required`, `invalid_api_key`, `forbidden`, `bad_origin`,
   *   `csrf_token_invalid`
   */
  require(request: IncomingMessage, need: Exclude<Need, 'public'>): Promise<Access>
}

export interface IdentityOptions {
  tenancy: Pick<Tenancy, 'authenticate' | 'tokens'>
  sessions: Sessions
  address: ClientAddress
  localToken: string | undefined
}

/** @param options where keys, sessions and addresses are looked up */
export function identity(options: IdentityOptions): Identity {
  return {
    async require(request, need) {
      const access = await identify(options, request)
      if (access === null) throw new GristmillError('login_required')
      const isEnough = need === 'signed-in' ? access.userId !== null : access.permissions.has(need)
      if (!isEnough) {
        throw new GristmillError('forbidden', { actor: access.actor.name, action: inWords(need) })
      }
      return access
    },
  }
}

async function identify(
  options: IdentityOptions,
  request: IncomingMessage,
): Promise<Access | null> {
  const from = options.address.of(request)
  const local = request.headers[LOCAL_HEADER]
  if (typeof local === 'string') {
    if (!isLocal(options, request, local)) throw new GristmillError('login_required')
    const actor = { name: 'cli', from: 'local' }
    const permissions = permissionsOf('owner')
    return { kind: 'local', actor, permissions, tenantIds: null, userId: null }
  }
  const secret = secretOf(request.headers)
  if (secret !== undefined) {
    const { tokens } = options.tenancy
    if (!tokens?.takes(secret)) return accessOfKey(options, secret, from)
    const { actorName, ...granted } = await tokens.access(secret)
    return {
      kind: 'token',
      actor: { name: actorName, from },
      permissions: permissionsOf(granted.role),
      tenantIds: reachOf(granted),
      userId: null,
    }
  }
  const person = await options.sessions.signedIn(request)
  if (person === null) return null
  if (!isSafe(request)) options.sessions.checkChange(request, person)
  return {
    kind: 'person',
    actor: { name: `user:${person.email}`, from },
    permissions: permissionsOf(person.role),
    tenantIds: reachOf(person),
    userId: person.userId,
  }
}

async function accessOfKey(
  { tenancy }: IdentityOptions,
  secret: string,
  from: string,
): Promise<Access> {
  const principal = await tenancy.authenticate(secret)
  if (principal === null) throw new GristmillError('invalid_api_key')
  return {
    kind: 'key',
    actor: { name: `key:${principal.keyId}`, from },
    permissions: permissionsOfScopes(principal.scopes),
    tenantIds: principal.scopes.has('admin') ? null : [principal.tenantId],
    userId: null,
  }
}

/** Tenants a person reaches: owners and operators all, members theirs, others theirs or all. */
export function reachOf({ role, tenantIds }: Pick<SignedIn, 'role' | 'tenantIds'>) {
  if (role === 'owner' || role === 'operator') return null
  return role !== 'member' && tenantIds.length === 0 ? null : tenantIds
}

function isLocal(options: IdentityOptions, request: IncomingMessage, token: string): boolean {
  const { localToken, address } = options
  return localToken !== undefined && address.isLocal(request) && isSame(token, localToken)
}

/** Compares in a time that does not depend on where they differ. */
export function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}

const isSafe = ({ method }: IncomingMessage) => method === 'GET' || method === 'HEAD'

/** `tenants:write` as part of a sentence. */
function inWords(need: Exclude<Need, 'public'>): string {
  if (need === 'signed-in') return 'do this without being signed in as a person'
  const [what, verb] = need.split(':')
  const verbs: Record<string, string> = { read: 'see', write: 'change' }
  return `${verbs[verb ?? ''] ?? verb} ${what} (permission ${need})`
}
