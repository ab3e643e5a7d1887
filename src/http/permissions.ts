/**
 * Who may do what: the one table of permissions by role, what the scopes of keys stand for under
 * `/api`, and which of them open what below `/v1/`.
 */
import type { Role, Scope } from '../tenancy/index.ts'

const everybody = ['owner', 'operator', 'member', 'viewer', 'finance'] as const
const running = ['owner', 'operator'] as const

/**
 * Permission → roles that have it. Where a person is bound to tenants, `…:read` and `…:write`
 * reach only these; a member is always bound, the others only where tenants are named.
 */
export const permissionTable = {
  'tenants:read': everybody,
  'tenants:write': running,
  'keys:read': ['owner', 'operator', 'member', 'viewer'],
  'keys:write': ['owner', 'operator', 'member'],
  'engines:read': everybody,
  'engines:write': running,
  'models:read': everybody,
  'routes:read': ['owner', 'operator', 'viewer'],
  'routes:write': running,
  'cluster:read': ['owner', 'operator', 'viewer'],
  /** What engines cost, and how that is shared among tenants. */
  'costs:read': ['owner', 'operator', 'finance'],
  'costs:write': ['owner', 'operator', 'finance'],
  'statements:read': everybody,
  'ledger:close': ['owner', 'operator', 'finance'],
  'usage:read': everybody,
  /** Each request with what it is charged, for systems that bill. */
  'usage:export': ['owner', 'operator', 'finance'],
  'prices:read': ['owner', 'operator', 'finance'],
  'prices:write': running,
  'budgets:read': everybody,
  'budgets:write': ['owner', 'operator', 'finance'],
  'requests:read': everybody,
  'audit:read': ['owner', 'operator', 'viewer'],
  'users:read': running,
  'users:write': ['owner'],
  /** People and groups as a directory provisions them. */
  'directory:write': ['owner'],
  'batches:read': everybody,
  'batches:write': ['owner', 'operator', 'member'],
  'queue:read': everybody,
  'floor:read': everybody,
  /** Names and shares of tenants that are not one's own. */
  'floor:others': ['owner', 'operator', 'viewer'],
  'playground:use': ['owner', 'operator', 'member'],
  'plan:run': ['owner', 'operator', 'finance'],
  'demo:run': running,
  'metrics:read': running,
} as const satisfies Record<string, readonly Role[]>

export type Permission = keyof typeof permissionTable

export const permissions = Object.keys(permissionTable) as Permission[]

const byRole = new Map<Role, ReadonlySet<Permission>>(
  everybody.map((role) => {
    const has = (permission: Permission) =>
      (permissionTable[permission] as readonly Role[]).includes(role)
    return [role, new Set(permissions.filter(has))]
  }),
)

export function permissionsOf(role: Role): ReadonlySet<Permission> {
  return byRole.get(role) ?? new Set()
}

/** What a key may do under `/api`; all but `admin` reach the key's own tenant only. */
export function permissionsOfScopes(scopes: ReadonlySet<Scope>): ReadonlySet<Permission> {
  const granted = new Set<Permission>(scopes.has('admin') ? permissionsOf('operator') : [])
  if (scopes.has('usage:read')) granted.add('usage:read').add('requests:read')
  if (scopes.has('queue:read')) granted.add('queue:read')
  if (scopes.has('scim')) granted.add('directory:write')
  return granted
}

export interface V1Endpoint {
  /** null: its room tells them apart. */
  method: 'GET' | 'POST' | null
  /** One of them is needed. */
  scopes: readonly Scope[]
}

const post: V1Endpoint = { method: 'POST', scopes: ['inference'] }
const get: V1Endpoint = { method: 'GET', scopes: ['inference'] }
const any: V1Endpoint = { method: null, scopes: ['inference'] }

/** What is exactly at a path below `/v1/`. */
export const v1Endpoints: ReadonlyMap<string, V1Endpoint> = new Map([
  ['/v1/chat/completions', post],
  ['/v1/completions', post],
  ['/v1/embeddings', post],
  ['/v1/responses', post],
  ['/v1/messages', post],
  ['/v1/messages/count_tokens', post],
  ['/v1/models', get],
  ['/v1/budget', { method: 'GET', scopes: ['inference', 'usage:read', 'admin'] }],
  ['/v1/queue', { method: 'GET', scopes: ['inference', 'queue:read', 'admin'] }],
])

/** What is at a path and below it; of those that end with a slash, only below. */
export const v1Folders = {
  batches: '/v1/batches',
  files: '/v1/files',
  responses: '/v1/responses/',
  models: '/v1/models/',
} as const

/** Whether a path is in a folder of `v1Folders`. */
export function isBelow(path: string, root: string): boolean {
  if (!path.startsWith(root)) return false
  return path.length === root.length || root.endsWith('/') || path[root.length] === '/'
}

/** Who may use a path below `/v1/`; undefined where nothing is there. */
export function v1EndpointAt(path: string): V1Endpoint | undefined {
  const { batches, files, responses, models } = v1Folders
  const exact = v1Endpoints.get(path)
  if (exact !== undefined) return exact
  if (isBelow(path, batches) || isBelow(path, files) || isBelow(path, responses)) return any
  return isBelow(path, models) ? get : undefined
}
