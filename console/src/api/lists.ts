/** Lists of the admin API: whole ones, which are short, and long ones page by page. */
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { get } from './client.ts'
import type {
  EngineView,
  KeyView,
  ModelView,
  Page,
  ProjectView,
  ServiceAccountView,
  TenantView,
  UserView,
} from './contract.ts'
import { useMay } from './session.ts'
import { PAGE_ROWS, PAGES_MAX } from './whole.ts'

export type Query = Record<string, string | undefined>

/** @returns the address with the parameters that are set */
export function address(path: string, query: Query): string {
  const set = Object.entries(query).filter((entry): entry is [string, string] => !!entry[1])
  return set.length === 0 ? path : `${path}?${new URLSearchParams(set)}`
}

/** Every row of a list, as far as `isCut` does not say otherwise. @throws ApiFailure */
export async function getAll<Row>(path: string, query: Query, signal?: AbortSignal) {
  const rows: Row[] = []
  let cursor: string | undefined
  for (let pages = 0; pages < PAGES_MAX; pages += 1) {
    const url = address(path, { ...query, limit: String(PAGE_ROWS), cursor })
    const page = await get<Page<Row>>(url, signal)
    rows.push(...page.rows)
    if (page.next === null) break
    cursor = page.next
  }
  return rows
}

function useAll<Row>(path: string, query: Query = {}, refetchMs?: number, isEnabled = true) {
  return useQuery({
    queryKey: [path, query],
    queryFn: ({ signal }) => getAll<Row>(path, query, signal),
    refetchInterval: refetchMs ?? false,
    enabled: isEnabled,
  })
}

export const useTenants = () => useAll<TenantView>('/api/tenants')
export const useProjects = (tenantId: string) =>
  useAll<ProjectView>(`/api/tenants/${tenantId}/projects`, {}, undefined, tenantId !== '')
/** Nothing for those who may not see keys, so that they are not refused what they did not ask. */
export function useKeys(tenantId?: string, isWanted = true) {
  const mayRead = useMay('keys:read')
  return useAll<KeyView>('/api/keys', { tenant: tenantId }, undefined, mayRead && isWanted)
}
export const useEngines = () => useAll<EngineView>('/api/engines', {}, 2000)
export const useModels = () => useAll<ModelView>('/api/models')
export const useServiceAccounts = (tenantId?: string) =>
  useAll<ServiceAccountView>('/api/service-accounts', { tenant: tenantId })
export const useUsers = () => useAll<UserView>('/api/users')

const FIRST_ROWS = 50

/** The newest rows, and more when asked for; looked up again every `refetchMs` where given. */
export function usePaged<Row>(path: string, query: Query, options: { refetchMs?: number } = {}) {
  return useInfiniteQuery({
    queryKey: [path, 'paged', query],
    queryFn: ({ pageParam, signal }) => {
      const url = address(path, { ...query, limit: String(FIRST_ROWS), cursor: pageParam })
      return get<Page<Row>>(url, signal)
    },
    initialPageParam: '',
    getNextPageParam: ({ next }) => next,
    refetchInterval: options.refetchMs ?? false,
  })
}

/** Tenants by id, for tables that name them; empty until they are there. */
export function useTenantNames(): ReadonlyMap<string, Pick<TenantView, 'name' | 'hue'>> {
  const { data } = useTenants()
  return new Map(data?.map((tenant) => [tenant.id, tenant]))
}
