/** Who may do what: the one table of permissions by role, and what the scopes of keys stand for. */
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
  'usage:read': everybody,
  'requests:read': everybody,
  'audit:read': ['owner', 'operator', 'viewer'],
  'users:read': running,
  'users:write': ['owner'],
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
  if (scopes.has('admin')) return permissionsOf('operator')
  const granted = new Set<Permission>()
  if (scopes.has('usage:read')) granted.add('usage:read').add('requests:read')
  if (scopes.has('queue:read')) granted.add('queue:read')
  return granted
}
