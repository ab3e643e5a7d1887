/** A route for each name of `model_list`, with aliases, and with fallbacks as later preferences. */
import { isDeepStrictEqual } from 'node:util'
import type { RouteTargetView, RouteView } from '../../http/index.ts'
import type { Deployment } from './deployments.ts'
import { type PlannedEngine, unique } from './plan-engines.ts'
import type { Remarks } from './remarks.ts'
import type { LiteLlmConfig } from './source.ts'

/** Every route; what is wrong with one is for the server to say. */
export function planRoutes(
  config: LiteLlmConfig,
  deployments: readonly Deployment[],
  engines: readonly PlannedEngine[],
  remarks: Remarks,
): RouteView[] {
  const groups = Map.groupBy(deployments, ({ name }) => name)
  const own = new Map<string, RouteTargetView[]>()
  for (const [name, group] of groups) own.set(name, targetsOf(group, deployments, engines))
  const fallbacks = fallbacksIn(config, remarks)
  const aliases = aliasesIn(config, groups, remarks)
  return [...groups].map(([name, group]) => {
    const later = fallbacks.get(name) ?? fallbacks.get('*') ?? []
    return {
      name,
      aliases: aliases.filter(({ model }) => model === name).map(({ alias }) => alias),
      targets: withFallbacks(name, later, own, remarks),
      defaults: sharedDefaults(name, group, remarks),
      deprecation: null,
      overflow: null,
    }
  })
}

/** One target for each model and engine; one for all engines where they are equals. */
function targetsOf(
  group: readonly Deployment[],
  all: readonly Deployment[],
  engines: readonly PlannedEngine[],
): RouteTargetView[] {
  const orders = unique(group.map(({ order }) => order)).sort((a, b) => a - b)
  const targets: RouteTargetView[] = []
  for (const one of group) {
    const engine = isPool(one, group, all)
      ? null
      : (engines.find(({ url }) => url === one.url)?.name ?? null)
    const same = targets.find((target) => isSame(target, { model: one.model, engine }))
    if (same) same.weight += one.weight
    else {
      const preference = orders.indexOf(one.order) + 1
      const { model, weight, price } = one
      targets.push({ model, engine, preference, weight, when: {}, price })
    }
  }
  return targets
}

/** True where a name stands for every engine that has the model, all of them own and equal. */
function isPool(one: Deployment, group: readonly Deployment[], all: readonly Deployment[]) {
  const here = group.filter(({ model }) => model === one.model)
  const places = new Set(here.map(({ url }) => url))
  const isEqual = here.every(({ weight, order }) => weight === one.weight && order === one.order)
  const others = all.filter(({ model }) => model === one.model)
  const areAllHere = others.every(({ url }) => places.has(url))
  const areOwn = others.every(({ service, price }) => service === undefined && price === null)
  return isEqual && areAllHere && areOwn
}

type Place = Pick<RouteTargetView, 'model' | 'engine'>
const isSame = (a: Place, b: Place) => a.model === b.model && a.engine === b.engine

function withFallbacks(
  name: string,
  fallbacks: readonly string[],
  own: ReadonlyMap<string, readonly RouteTargetView[]>,
  remarks: Remarks,
): RouteTargetView[] {
  const targets = [...(own.get(name) ?? [])]
  for (const fallback of fallbacks) {
    const further = own.get(fallback)
    if (further === undefined) {
      remarks.left(`fallbacks of ${name}`, `nothing that moves is called ${fallback}`)
      continue
    }
    const before = Math.max(...targets.map(({ preference }) => preference))
    const added = further.filter((one) => !targets.some((target) => isSame(target, one)))
    targets.push(...added.map((one) => ({ ...one, preference: one.preference + before })))
  }
  return targets
}

/** Names to go on to by name; `*` stands for all that have none. */
function fallbacksIn(config: LiteLlmConfig, remarks: Remarks): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const section of ['litellm_settings', 'router_settings'] as const) {
    const { fallbacks, default_fallbacks: others } = config[section]
    if (isNames(others)) found.set('*', others)
    for (const [index, map] of listOf(fallbacks).entries()) {
      for (const [name, names] of Object.entries(fieldsOf(map))) {
        if (isNames(names)) found.set(name, names)
        else remarks.left(`${section}.fallbacks.${index}.${name}`, 'only names can be moved')
      }
    }
  }
  return found
}

function aliasesIn(
  config: LiteLlmConfig,
  groups: ReadonlyMap<string, unknown>,
  remarks: Remarks,
): { alias: string; model: string }[] {
  const maps = {
    'litellm_settings.model_alias_map': config.litellm_settings.model_alias_map,
    'router_settings.model_group_alias': config.router_settings.model_group_alias,
  }
  const found = Object.entries(maps).flatMap(([where, map]) =>
    Object.entries(fieldsOf(map)).map(([alias, value]) => {
      const model = typeof value === 'string' ? value : String(fieldsOf(value).model)
      return { where: `${where}.${alias}`, alias, model }
    }),
  )
  return found.filter(({ where, alias, model }) => {
    if (groups.has(alias)) remarks.left(where, 'the name is in model_list too, which counts')
    else if (!groups.has(model)) remarks.left(where, `nothing that moves is called ${model}`)
    else return true
    return false
  })
}

/** Defaults that all entries of a name have; a route has them as a whole. */
function sharedDefaults(
  name: string,
  group: readonly Deployment[],
  remarks: Remarks,
): Record<string, unknown> {
  const [first] = group as [Deployment]
  if (group.every(({ defaults }) => isDeepStrictEqual(defaults, first.defaults))) {
    return first.defaults
  }
  remarks.left(`model_list (${name})`, 'its entries set different defaults, a route has the same')
  return {}
}

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
const isNames = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((one) => typeof one === 'string')
const fieldsOf = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? { ...value } : {}
