/** Routes from the admin API: what holds, its versions, and the traffic of the last minutes. */
import { useQuery } from '@tanstack/react-query'
import { get } from '../api/client.ts'
import type { RouteFlowView, RouteSetView, RouteTargetView, RouteView } from '../api/contract.ts'

export const ROUTES = '/api/routes'
export const FLOW_MINUTES = 5
const FLOW_REFRESH_MS = 10_000

/** @param isEnabled false for those who may not see routes */
export function useRoutes(isEnabled = true) {
  return useQuery({
    queryKey: [ROUTES],
    queryFn: ({ signal }) => get<RouteSetView>(ROUTES, signal),
    enabled: isEnabled,
  })
}

export function useFlow() {
  return useQuery({
    queryKey: [`${ROUTES}/flow`],
    queryFn: ({ signal }) => get<RouteFlowView>(`${ROUTES}/flow?minutes=${FLOW_MINUTES}`, signal),
    refetchInterval: FLOW_REFRESH_MS,
  })
}

/** Requests by the name that was asked for. */
export function requestsByName(flow: RouteFlowView | undefined): ReadonlyMap<string, number> {
  const sums = new Map<string, number>()
  for (const { model, requests } of flow?.rows ?? []) {
    sums.set(model, (sums.get(model) ?? 0) + requests)
  }
  return sums
}

/** Routes as people write them: without what is as usual. */
export function documentOf({ routes, guards }: RouteSetView): string {
  const all = { routes: routes.map(writtenRoute), ...(guards.length > 0 && { guards }) }
  return `${JSON.stringify(all, null, 2)}\n`
}

function writtenRoute({ name, aliases, targets, defaults, deprecation, overflow }: RouteView) {
  return {
    name,
    ...(aliases.length > 0 && { aliases }),
    targets: targets.map(writtenTarget),
    ...(Object.keys(defaults).length > 0 && { defaults }),
    ...(deprecation && {
      deprecation: deprecation.successor === null ? { date: deprecation.date } : deprecation,
    }),
    ...(overflow && { overflow }),
  }
}

function writtenTarget({ model, engine, preference, weight, when, price }: RouteTargetView) {
  return {
    model,
    ...(engine !== null && { engine }),
    ...(preference !== 1 && { preference }),
    ...(weight !== 1 && { weight }),
    ...(Object.keys(when).length > 0 && { when }),
    ...(price && { price }),
  }
}
