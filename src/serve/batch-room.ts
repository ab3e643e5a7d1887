/** What the engines could do for a batch, by the model that its lines name. */
import type { Room } from '../batch/index.ts'
import type { Pool } from '../pool/index.ts'
import type { RouteBook, RouteTarget } from '../route/index.ts'

type Target = Pick<RouteTarget, 'model' | 'engine'>

/** @param model a route's name or an engine's; null where lines name several */
export function batchRoom(
  { engines, cost }: Pick<Pool, 'engines' | 'cost'>,
  routes: Pick<RouteBook, 'find'>,
  model: string | null,
): Room {
  const targets = model === null ? null : targetsOf(routes, model)
  const serving = [...engines.values()].filter(
    ({ state, engine, profile }) =>
      state === 'up' &&
      (targets === null ||
        targets.some(
          (target) =>
            (target.engine === null || target.engine === engine.name) &&
            profile.models.some(({ name }) => name === target.model),
        )),
  )
  const capacities = serving.map(({ profile }) => profile.capacityUnitsPerS)
  const isKnown = capacities.length > 0 && capacities.every((units) => units !== null)
  return {
    slots: serving.reduce((sum, { profile }) => sum + profile.cap, 0),
    capacityUnitsPerS: isKnown
      ? capacities.reduce<number>((sum, units) => sum + (units ?? 0), 0)
      : null,
    cost,
  }
}

/** Without those that are rented only where people would wait. */
function targetsOf(routes: Pick<RouteBook, 'find'>, model: string): readonly Target[] {
  const route = routes.find(model)
  if (route === undefined) return [{ model, engine: null }]
  return route.targets.filter(({ price }) => route.overflow === null || price === null)
}
