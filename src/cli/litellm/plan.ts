/** What a move from LiteLLM does, out of all that is known of both sides. A pure function. */
import { isDeepStrictEqual } from 'node:util'
import type { RouteView } from '../../http/index.ts'
import { deploymentsOf, type Environment } from './deployments.ts'
import { type PlannedKey, type PlannedTenant, planAccess } from './plan-access.ts'
import { type KnownEngine, type PlannedEngine, planEngines } from './plan-engines.ts'
import { planRoutes } from './plan-routes.ts'
import { type Remark, Remarks } from './remarks.ts'
import type { LiteLlmConfig, LiteLlmRows } from './source.ts'

/** What the server has already. */
export interface Known {
  engines: readonly KnownEngine[]
  tenants: readonly { id: string; name: string }[]
  routes: readonly RouteView[]
}

export interface MovePlan {
  engines: PlannedEngine[]
  tenants: PlannedTenant[]
  keys: PlannedKey[]
  /** Those that the server has not; the others are as they should be. */
  newRoutes: RouteView[]
  routesThere: number
  noEquivalent: Remark[]
  /** Nothing is to be moved while there are any. */
  missing: Remark[]
}

export interface MoveSource {
  config: LiteLlmConfig
  /** Undefined where no database is read. */
  rows: LiteLlmRows | undefined
  environment: Environment
  nowMs: number
}

export function planMove({ config, rows, environment, nowMs }: MoveSource, known: Known): MovePlan {
  const remarks = new Remarks()
  // LiteLLM sets them for itself, over what is there.
  const set = Object.entries(config.environment_variables).map(([name, value]) => [
    name,
    String(value),
  ])
  const variables = { ...environment, ...Object.fromEntries(set) }
  const deployments = deploymentsOf(config, variables, remarks)
  const engines = planEngines(deployments, known.engines, remarks)
  const routes = planRoutes(config, deployments, engines, remarks)
  const access = rows && planAccess(rows, deployments, known.tenants, remarks, nowMs)
  if (rows) nameRows(config, rows, remarks)
  else remarks.left('its database', 'teams and keys are read only with --database-url')
  nameSettings(config, remarks)
  const newRoutes = routesToAdd(routes, known.routes, remarks)
  const { noEquivalent, missing } = remarks
  return {
    engines,
    tenants: access?.tenants ?? [],
    keys: access?.keys ?? [],
    newRoutes,
    routesThere: routes.length - newRoutes.length,
    noEquivalent,
    missing,
  }
}

/** Routes that are not there; one that is there under the same name has to be the same. */
function routesToAdd(
  routes: readonly RouteView[],
  known: readonly RouteView[],
  remarks: Remarks,
): RouteView[] {
  return routes.filter((route) => {
    const names = [route.name, ...route.aliases]
    const clash = known.find((one) => [one.name, ...one.aliases].some((n) => names.includes(n)))
    if (clash === undefined) return true
    if (!isDeepStrictEqual(sorted(clash), sorted(route))) {
      const why = `a route ${clash.name} is there and is another: rename or remove it, or leave this name out`
      remarks.lacks(`route ${route.name}`, why)
    }
    return false
  })
}

const sorted = (route: RouteView) => ({ ...route, aliases: route.aliases.toSorted() })

/** Rows that stay behind, by table. */
function nameRows(config: LiteLlmConfig, rows: LiteLlmRows, remarks: Remarks): void {
  const listed = new Set(config.model_list.map(({ model_name: name }) => name))
  for (const { model_name: name, blocked } of rows.models) {
    const where = `LiteLLM_ProxyModelTable (${name})`
    if (blocked) remarks.left(where, 'it is blocked: it stays behind')
    else if (listed.has(name)) remarks.left(where, 'only its entries in the file are moved')
    else remarks.lacks(where, 'it is encrypted there: write it into model_list of the file')
  }
  for (const [table, count] of Object.entries(rows.others)) {
    if (count > 0) remarks.left(table, `${count} rows: ${TABLES[table] ?? NOTHING}`)
  }
}

const GUARDS = 'guards stand beside the routes, in the file of gristmill route apply'

/** Tables of which only the number of rows is read, and why. */
export const TABLES: Record<string, string> = {
  LiteLLM_UserTable: 'people are invited: gristmill user invite EMAIL',
  LiteLLM_OrganizationTable: 'tenants are not grouped',
  LiteLLM_ProjectTable: 'their keys go to the oldest project of the tenant',
  LiteLLM_EndUserTable: 'end users have no rows; a budget may bound each: gristmill budget create',
  LiteLLM_GuardrailsTable: GUARDS,
  LiteLLM_Config: 'settings of its pages: what matters has to be in the file',
}
const NOTHING = 'there is no such setting here'

const MOVED = new Set([
  'litellm_settings.fallbacks',
  'litellm_settings.default_fallbacks',
  'litellm_settings.model_alias_map',
  'router_settings.fallbacks',
  'router_settings.default_fallbacks',
  'router_settings.model_group_alias',
  'general_settings.database_url',
])
const SECTIONS = ['litellm_settings', 'router_settings', 'general_settings'] as const
const READ = new Set<string>([
  ...SECTIONS,
  'model_list',
  'credential_list',
  'environment_variables',
])

const REASONS: [named: RegExp, why: string][] = [
  [/guardrail/, GUARDS],
  [/callback/, 'nothing is called: the ledger, /metrics and traces (OTLP) have what it is told'],
  [/cache/, 'answers are cached by key: gristmill key update ID --response-cache on'],
  [/budget/, 'money is bounded by budgets to be written: gristmill budget create'],
  [/rpm/, 'limits are requests at once and tokens in a minute'],
  [/fallbacks/, 'write them as targets with when: { inputTokensMax: … } or a preference'],
  [/retr|cooldown|allowed_fails|timeout|routing_strategy/, 'it follows from how engines are'],
  [/master_key/, 'who operates signs in, or has a key with the scope admin'],
]

/** Every setting that is on and has not been moved. */
function nameSettings(config: LiteLlmConfig, remarks: Remarks): void {
  const settings = SECTIONS.flatMap((section) =>
    Object.entries(config[section]).map(([name, value]) => [`${section}.${name}`, value] as const),
  )
  const others = Object.entries(config).filter(([name]) => !READ.has(name))
  for (const [where, value] of [...settings, ...others]) {
    if (MOVED.has(where) || isOff(value)) continue
    if (where === 'include') remarks.lacks(where, 'other files are not read: write one file')
    else remarks.left(where, REASONS.find(([named]) => named.test(where))?.[1] ?? NOTHING)
  }
}

const isOff = (value: unknown) =>
  value === null ||
  value === false ||
  (typeof value === 'object' && Object.keys(value ?? {}).length === 0)
