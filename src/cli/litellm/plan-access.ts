/** Teams as tenants, and keys by their hashes, with those of their limits that there are here. */
import type { Deployment } from './deployments.ts'
import type { Remarks } from './remarks.ts'
import type { KeyRow, LimitColumns, LiteLlmRows, TeamRow } from './source.ts'

export interface PlannedLimits {
  concurrencyMax?: number
  tokensPerMinute?: number
}

export interface PlannedTenant {
  name: string
  /** null: all. */
  models: string[] | null
  limits: PlannedLimits
  /** Undefined where it is new; what is there stays as it is. */
  id: string | undefined
}

export interface PlannedKey {
  tenant: string
  name: string
  sha256: string
  limits: PlannedLimits
  expiresAt: string | null
}

/** Tenant of the keys that have no team. */
const TENANT = 'litellm'
/** Team of those who are signed in to LiteLLM's own pages. */
const SIGNED_IN = 'litellm-dashboard'
const NAME_LENGTH_MAX = 100
/** What limits may be at most; more is as good as none. */
const CONCURRENCY_MAX = 1_000_000
const TOKENS_MAX = 1_000_000_000_000

/** @param nowMs keys that have expired by then stay behind */
export function planAccess(
  rows: LiteLlmRows,
  deployments: readonly Deployment[],
  known: readonly { id: string; name: string }[],
  remarks: Remarks,
  nowMs: number,
): { tenants: PlannedTenant[]; keys: PlannedKey[] } {
  const names = new Set<string>()
  const tenants = new Map<string | null, PlannedTenant>()
  const idOf = (name: string) =>
    known.find((one) => one.name.toLowerCase() === name.toLowerCase())?.id
  for (const team of rows.teams) {
    const where = `team ${team.team_alias ?? team.team_id}`
    if (team.blocked) {
      remarks.left(where, 'it is blocked: it stays behind with its keys')
      continue
    }
    const name = tenantName(team, names)
    names.add(name.toLowerCase())
    const limits = limitsOf(where, team, remarks)
    const models = modelsOf(where, team, deployments, remarks)
    tenants.set(team.team_id, { name, models, limits, id: idOf(name) })
  }
  const moving = rows.keys.filter(
    (key) => key.team_id !== SIGNED_IN && isMoving(key, rows, remarks, nowMs),
  )
  if (moving.some(({ team_id: team }) => !team)) {
    tenants.set(null, { name: TENANT, models: null, limits: {}, id: idOf(TENANT) })
  }
  const keys = moving.flatMap((key) => plannedKey(key, rows, tenants, remarks) ?? [])
  return { tenants: [...tenants.values()], keys }
}

function tenantName({ team_id: id, team_alias: alias }: TeamRow, names: Set<string>): string {
  const name = (alias?.trim() || id).slice(0, NAME_LENGTH_MAX)
  const isTaken = names.has(name.toLowerCase()) || name.toLowerCase() === TENANT
  return isTaken ? `${name.slice(0, NAME_LENGTH_MAX - id.length - 3)} (${id})` : name
}

/** The name of a key in a list: never the secret, of which LiteLLM's own name for it has a part. */
const nameOf = ({ key_alias: alias, token }: KeyRow) =>
  (alias?.trim() || `key ${token.slice(0, 8)}`).slice(0, NAME_LENGTH_MAX)

const isHash = (token: string) => /^[0-9a-f]{64}$/.test(token)

function isMoving(key: KeyRow, rows: LiteLlmRows, remarks: Remarks, nowMs: number): boolean {
  if (!isHash(key.token)) {
    const index = rows.keys.indexOf(key)
    remarks.left(`key ${key.key_alias ?? `in row ${index}`}`, 'it is not stored as a hash')
    return false
  }
  const where = `key ${nameOf(key)}`
  if (rows.teams.some((team) => team.team_id === key.team_id && team.blocked)) return false
  if (key.blocked) remarks.left(where, 'it is blocked: it stays behind')
  else if (key.expires && Date.parse(key.expires) <= nowMs) remarks.left(where, 'it has expired')
  else return true
  return false
}

function plannedKey(
  key: KeyRow,
  rows: LiteLlmRows,
  tenants: ReadonlyMap<string | null, PlannedTenant>,
  remarks: Remarks,
): PlannedKey | undefined {
  const name = nameOf(key)
  const where = `key ${name}`
  const tenant = tenants.get(key.team_id || null)
  if (tenant === undefined) {
    remarks.left(where, `its team ${key.team_id} does not exist`)
    return undefined
  }
  const budget = rows.budgets.find(({ budget_id: id }) => id === key.budget_id)
  const limits = limitsOf(where, withBudget(key, budget), remarks)
  const named = key.models.filter((model) => !/^all-(team|proxy)-models$/.test(model))
  if (named.length > 0) {
    remarks.left(where, `models of its own (${named.join(', ')}): here they belong to the tenant`)
  }
  const expiresAt = key.expires ? new Date(key.expires).toISOString() : null
  return { tenant: tenant.name, name, sha256: key.token, limits, expiresAt }
}

/** A key's own limits go before those of its budget. */
function withBudget(key: LimitColumns, budget: LimitColumns | undefined): LimitColumns {
  return {
    max_parallel_requests: key.max_parallel_requests ?? budget?.max_parallel_requests,
    tpm_limit: key.tpm_limit ?? budget?.tpm_limit,
    rpm_limit: key.rpm_limit ?? budget?.rpm_limit,
    tpd_limit: key.tpd_limit ?? budget?.tpd_limit,
    max_budget: key.max_budget ?? budget?.max_budget,
  }
}

function limitsOf(where: string, columns: LimitColumns, remarks: Remarks): PlannedLimits {
  const left = (column: keyof LimitColumns, why: string) => {
    if (columns[column] != null) remarks.left(where, `${column} ${columns[column]}: ${why}`)
  }
  left('rpm_limit', 'limits are requests at once and tokens in a minute')
  left('tpd_limit', 'limits are requests at once and tokens in a minute')
  left('max_budget', 'money is bounded by a budget to be written: gristmill budget create')
  const bound = (column: 'max_parallel_requests' | 'tpm_limit') => {
    const value = columns[column]
    if (value == null || value >= 1) return value ?? undefined
    return left(column, 'a limit is 1 at least; archive who may do nothing')
  }
  const atOnce = bound('max_parallel_requests')
  const tokens = bound('tpm_limit')
  return {
    ...(atOnce !== undefined && { concurrencyMax: Math.min(atOnce, CONCURRENCY_MAX) }),
    ...(tokens !== undefined && { tokensPerMinute: Math.min(tokens, TOKENS_MAX) }),
  }
}

/** Model names of a team, access groups as what is in them; null: all. */
function modelsOf(
  where: string,
  { models }: TeamRow,
  deployments: readonly Deployment[],
  remarks: Remarks,
): string[] | null {
  if (models.length === 0 || models.includes('all-proxy-models')) return null
  const found = models.flatMap((model) => {
    if (model === 'no-default-models') return []
    if (model.includes('*')) {
      remarks.left(where, `${model} among its models: a name with * has to be written out`)
      return []
    }
    const inGroup = deployments.filter(({ groups }) => groups.includes(model))
    return inGroup.length > 0 ? inGroup.map(({ name }) => name) : [model]
  })
  return [...new Set(found)]
}
