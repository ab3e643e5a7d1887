/** Names of the projects of several tenants. */
import { useQueries } from '@tanstack/react-query'
import type { ProjectView } from '../api/contract.ts'
import { getAll } from '../api/lists.ts'

/** @returns names by project id; those that are still on their way are missing */
export function useProjectNames(tenantIds: readonly string[]): ReadonlyMap<string, string> {
  const lists = useQueries({
    queries: tenantIds.map((id) => {
      const path = `/api/tenants/${id}/projects`
      return {
        queryKey: [path, {}],
        queryFn: ({ signal }: { signal: AbortSignal }) => getAll<ProjectView>(path, {}, signal),
        staleTime: 60_000,
      }
    }),
  })
  return new Map(lists.flatMap(({ data }) => data ?? []).map(({ id, name }) => [id, name]))
}
