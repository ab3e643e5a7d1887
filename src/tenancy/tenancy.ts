/** The room's front: everything about tenants, projects and keys behind one object. */
import { type Clock, GristmillError, type Logger, type Random } from '../base/index.ts'
import type { Database, Queries } from '../store/index.ts'
import { type AccessRules, accessRules } from './access-rules.ts'
import { type AuditLog, auditLog } from './audit.ts'
import { Authenticator, type RevokedCallback } from './authenticator.ts'
import type { Context } from './context.ts'
import { TenantDirectory, type TenantLabel, type WeightCallback } from './directory.ts'
import { noLimits } from './inputs.ts'
import type { KeyCacheBounds } from './key-cache.ts'
import { principalsOfKeys } from './key-lookup.ts'
import { type Keys, keys } from './keys.ts'
import { type Projects, projects } from './projects.ts'
import { type ServiceAccounts, serviceAccounts } from './service-accounts.ts'
import { type SubjectKeys, subjectKeys } from './subject-keys.ts'
import { type Tenants, tenants } from './tenants.ts'
import { TokenBearers, type TokenOptions } from './tokens.ts'
import type { Actor, Policy, Principal, UseLimits } from './types.ts'

export interface TenancyOptions {
  database: Database
  clock: Clock
  random: Random
  logger: Logger
  cacheBounds?: KeyCacheBounds
  /** How long known keys count while the database is away, milliseconds; 0 where absent. */
  awayMsMax?: number
  /** What tokens of an identity provider are taken by; absent: none are. */
  tokens?: TokenOptions | undefined
}

/** What the first start made; `key` is undefined on every later one. */
export interface Bootstrap {
  tenantId: string
  projectId: string
  keyId?: string
  /** Secret of the first key, shown this once. */
  key?: string
}

export interface Tenancy {
  tenants: Tenants
  projects: Projects
  keys: Keys
  audit: AuditLog
  accessRules: AccessRules
  serviceAccounts: ServiceAccounts
  /** Who calls with tokens of an identity provider; null: nobody. */
  tokens: TokenBearers | null
  /** Stops the keys of those who call with tokens; see `SubjectKeys.suspend`. */
  suspendSubjects: SubjectKeys['suspend']
  /** See `Authenticator.authenticate`. */
  authenticate(secret: string): Principal | null | Promise<Principal | null>
  /** Calls back with every key revoked from now on; returns how to stop. */
  onRevoked(callback: RevokedCallback): () => void
  /**
   * A principal for somebody who is signed in and acts for a tenant; its key is `CONSOLE_KEY_ID`.
   * @param projectId the tenant's oldest project where absent
   * @throws GristmillError `not_found`
   */
  principalFor(tenantId: string, projectId?: string): Promise<Principal>
  /** The principal of a key by its identifier; null where it has ended, or may not at present. */
  principalOfKey(keyId: string): Promise<Principal | null>
  /**
   * The same of several, in one reading; keys that have ended are missing, those that may not at
   * present have null.
   */
  principalsOfKeys(keyIds: readonly string[]): Promise<ReadonlyMap<string, Principal | null>>
  /** Calls back with every weight that changes from now on; returns how to stop. */
  onWeight(callback: WeightCallback): () => void
  /** Names, hues and weights of all tenants, from memory. */
  labels(): ReadonlyMap<string, TenantLabel>
  /** Makes the first tenant, project and key of an empty database; otherwise finds the oldest. */
  bootstrap(): Promise<Bootstrap>
  close(): Promise<void>
}

/** Stands in the ledger where a signed-in person acted without a key. */
export const CONSOLE_KEY_ID = 'key_console'

const SYSTEM: Actor = { name: 'system', from: 'local' }

/** Opens the room on a migrated database and begins to listen for changes. */
export async function createTenancy(options: TenancyOptions): Promise<Tenancy> {
  const { database, clock, random, logger, cacheBounds, awayMsMax = 0 } = options
  const context: Context = { database, clock, random }
  const bounds = cacheBounds === undefined ? {} : { bounds: cacheBounds }
  const rules = accessRules(context)
  const tokens = options.tokens ? new TokenBearers({ ...context, rules }, options.tokens) : null
  const authenticator = new Authenticator({ database, clock, logger, tokens, awayMsMax, ...bounds })
  const directory = new TenantDirectory({ database, clock, logger })
  const unlisten = await database.listen(
    'tenancy',
    (payload) => {
      authenticator.changed(payload)
      if (/^(tenant|project):/.test(payload)) directory.changed()
    },
    (state) => {
      authenticator.listenerChanged(state)
      if (state === 'up') directory.changed()
    },
  )
  await directory.open()
  const principalsOf = (ids: readonly string[]) => principalsOfKeys(database, ids, clock.nowMs())
  const rooms = { tenants: tenants(context), projects: projects(context), keys: keys(context) }
  return {
    ...rooms,
    audit: auditLog(context),
    accessRules: rules,
    serviceAccounts: serviceAccounts(context),
    tokens,
    suspendSubjects: subjectKeys(context).suspend,
    authenticate: (secret) => authenticator.authenticate(secret),
    onRevoked: (callback) => authenticator.onRevoked(callback),
    principalFor: (tenantId, projectId) => principalFor(database, tenantId, projectId),
    principalOfKey: async (keyId) => (await principalsOf([keyId])).get(keyId) ?? null,
    principalsOfKeys: principalsOf,
    onWeight: (callback) => directory.onWeight(callback),
    labels: () => directory.labels(),
    bootstrap: () => bootstrap(database, rooms),
    async close() {
      unlisten()
      await directory.close()
      await authenticator.close()
    },
  }
}

async function bootstrap(
  { sql }: Database,
  rooms: { tenants: Tenants; keys: Keys },
): Promise<Bootstrap> {
  const found = await oldestIn(sql)
  if (found !== undefined) return found
  try {
    const tenant = await rooms.tenants.create({ name: 'default' }, SYSTEM)
    const { key, secret } = await rooms.keys.create(tenant.id, { name: 'first key' }, SYSTEM)
    return { tenantId: tenant.id, projectId: key.projectId, keyId: key.id, key: secret }
  } catch (error) {
    // Another gateway that has started with this one was quicker.
    const theirs = await oldestIn(sql)
    if (theirs === undefined) throw error
    return theirs
  }
}

async function oldestIn(sql: Queries): Promise<Bootstrap | undefined> {
  const [oldest] = await sql<Bootstrap[]>`
    select t.id as "tenantId", p.id as "projectId"
    from tenants t join projects p on p.tenant_id = t.id
    where t.archived_at is null and p.archived_at is null
    order by t.id, p.id limit 1`
  return oldest && { ...oldest }
}

interface PrincipalRow {
  tenantName: string
  tenantWeight: number
  classes: Policy['classes']
  defaultClass: Policy['defaultClass']
  models: string[] | null
  limits: UseLimits
  responseDays: number
  pricePlan: string | null
  projectId: string
  projectName: string
  projectWeight: number
}

async function principalFor(
  { sql }: Database,
  tenantId: string,
  projectId: string | undefined,
): Promise<Principal> {
  const [row] = await sql<PrincipalRow[]>`
    select t.name as "tenantName", t.weight as "tenantWeight", t.classes,
      t.default_class as "defaultClass", t.models, t.limits,
      t.response_days as "responseDays", t.price_plan as "pricePlan", p.id as "projectId",
      p.name as "projectName", p.weight as "projectWeight"
    from tenants t join projects p on p.tenant_id = t.id
    where t.id = ${tenantId} and t.archived_at is null and p.archived_at is null
      ${projectId === undefined ? sql`` : sql`and p.id = ${projectId}`}
    order by p.id limit 1`
  if (!row) {
    const [kind, id] = projectId === undefined ? ['tenant', tenantId] : ['project', projectId]
    throw new GristmillError('not_found', { kind, id })
  }
  const { tenantName, projectName, tenantWeight, projectWeight, classes, defaultClass } = row
  const { models, limits: tenantLimits, responseDays, pricePlan } = row
  const kept = { models, responseDays, pricePlan }
  const own = { tenantWeight, projectWeight, classes, defaultClass, ...kept }
  return {
    keyId: CONSOLE_KEY_ID,
    keyName: 'console',
    tenantId,
    tenantName,
    projectId: row.projectId,
    projectName,
    // The person is known, so the end user that the gateway is told can be trusted.
    scopes: new Set(['inference', 'end_users']),
    policy: { ...own, tenantLimits, keyLimits: noLimits, responseCache: false, tags: [] },
  }
}
