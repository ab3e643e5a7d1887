/** The models that clients can name: routes by their names and aliases, then what engines serve. */
import type { Route } from '../route/index.ts'
import type { ModelDirectory, ModelEntry, RouteTable } from './types.ts'

/** A directory in which routes go before models of the same name. */
export function routedModels(models: ModelDirectory, routes: RouteTable): ModelDirectory {
  return {
    find(name) {
      const route = routes.find(name)
      return route === undefined ? models.find(name) : entryOf(route, models)
    },
    list() {
      const routed = routes.list()
      if (routed.length === 0) return models.list()
      const own = models.list().filter(({ name }) => routes.find(name) === undefined)
      return [...routed.map((route) => entryOf(route, models)), ...own]
    },
  }
}

/** A route as a model: with the longest context among its targets, since those differ. */
function entryOf({ name, targets, deprecation }: Route, models: ModelDirectory): ModelEntry {
  const known = targets.flatMap(({ model }) => models.find(model) ?? [])
  const contexts = known.flatMap(({ contextTokens }) => contextTokens ?? [])
  return {
    name,
    contextTokens: contexts.length === 0 ? null : Math.max(...contexts),
    createdAtMs: known.length === 0 ? 0 : Math.min(...known.map((one) => one.createdAtMs)),
    toy: known.length > 0 && known.every(({ toy }) => toy),
    embedsOnly: known.length > 0 && known.every((one) => one.embedsOnly),
    deprecation,
  }
}
