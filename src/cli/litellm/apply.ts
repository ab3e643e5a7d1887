/** Carrying out a move over the admin API; doing it twice does it once. */
import { keyFingerprint } from '../../engine/index.ts'
import type {
  EngineKeyView,
  EngineView,
  RouteDraftView,
  RouteSetView,
  TenantView,
} from '../../http/index.ts'
import { type AdminClient, ServerError } from '../client.ts'
import type { Terminal } from '../terminal.ts'
import type { MovePlan } from './plan.ts'
import type { PlannedKey } from './plan-access.ts'
import type { PlannedEngine } from './plan-engines.ts'

/** What was new. */
export interface Moved {
  engines: number
  engineKeys: number
  tenants: number
  keys: number
  routes: number
}

/** What the server would say of its routes with the new ones beside them. */
export function draftOf(
  client: AdminClient,
  plan: MovePlan,
  there: RouteSetView,
): Promise<RouteDraftView> {
  const routes = [...there.routes, ...plan.newRoutes]
  return client.post<RouteDraftView>('/api/routes/draft', { routes })
}

/** @throws whatever the server refuses; what was done before stays, and is found by the next run */
export async function applyMove(
  client: AdminClient,
  terminal: Terminal,
  plan: MovePlan,
  there: RouteSetView,
): Promise<Moved> {
  const moved = { engines: 0, engineKeys: 0, tenants: 0, keys: 0, routes: 0 }
  for (const engine of plan.engines) {
    terminal.status(`Engine ${engine.name}`)
    const id = engine.id ?? (await addEngine(client, engine))
    if (engine.id === undefined) moved.engines++
    if (engine.service !== undefined) moved.engineKeys += await addKeys(client, id, engine.apiKeys)
  }
  const tenantIds = new Map<string, string>()
  for (const { id, ...tenant } of plan.tenants) {
    terminal.status(`Tenant ${tenant.name}`)
    const made = id ?? (await client.post<TenantView>('/api/tenants', tenant)).id
    if (id === undefined) moved.tenants++
    tenantIds.set(tenant.name, made)
  }
  for (const [index, key] of plan.keys.entries()) {
    terminal.status(`Key ${index + 1} of ${plan.keys.length}`)
    if (await importKey(client, key, tenantIds.get(key.tenant) ?? '')) moved.keys++
  }
  if (plan.newRoutes.length > 0) {
    terminal.status(`Routes: ${plan.newRoutes.length}`)
    const routes = [...there.routes, ...plan.newRoutes]
    const change = { routes, note: 'moved from LiteLLM', baseVersion: there.version }
    await client.put<RouteSetView>('/api/routes', change)
    moved.routes = plan.newRoutes.length
  }
  return moved
}

async function addEngine(client: AdminClient, engine: PlannedEngine): Promise<string> {
  const { name, url, service, apiVersion, models, apiKeys } = engine
  const body = { name, url, service, apiVersion, models, apiKey: apiKeys[0] }
  return (await client.post<EngineView>('/api/engines', body)).id
}

/** Gives a service the keys that it has not. @returns how many */
async function addKeys(
  client: AdminClient,
  id: string,
  apiKeys: readonly string[],
): Promise<number> {
  const path = `/api/engines/${id}/keys`
  const there = await client.get<EngineKeyView[]>(path)
  const known = new Set(there.map(({ fingerprint }) => fingerprint))
  const absent = apiKeys.filter((apiKey) => !known.has(keyFingerprint(apiKey)))
  for (const apiKey of absent) await client.post(path, { apiKey, replace: false })
  return absent.length
}

/** @returns false where its hash is known already */
async function importKey(client: AdminClient, key: PlannedKey, tenantId: string): Promise<boolean> {
  const { tenant: _, ...fields } = key
  try {
    await client.post('/api/keys/import', { ...fields, tenantId })
    return true
  } catch (error) {
    if (error instanceof ServerError && error.code === 'conflict') return false
    throw error
  }
}
