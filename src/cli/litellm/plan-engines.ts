/** Engines and services out of the deployments: one for each address. */
import { presets } from '../../engine/index.ts'
import type { Deployment } from './deployments.ts'
import type { Remarks } from './remarks.ts'

export interface PlannedEngine {
  /** That of the engine at this address where there is one already. */
  name: string
  url: string
  service: Deployment['service']
  apiVersion: string | undefined
  /** Secret: never shown, not even in a plan. */
  apiKeys: string[]
  models: string[]
  /** Undefined where it is new. */
  id: string | undefined
}

/** What is asked of an engine that the server has. */
export interface KnownEngine {
  id: string
  name: string
  url: string
  state: string
  models: readonly { name: string }[]
}

/** Engines that the deployments need, in the order of the list. */
export function planEngines(
  deployments: readonly Deployment[],
  known: readonly KnownEngine[],
  remarks: Remarks,
): PlannedEngine[] {
  const groups = Map.groupBy(deployments, ({ url }) => url)
  const taken = new Set(known.map(({ name }) => name.toLowerCase()))
  return [...groups].map(([url, members]) => {
    const [first] = members as [Deployment]
    const { service, apiVersion } = first
    const there = known.find((engine) => engine.url === url)
    const name = there?.name ?? freeName(first, taken)
    taken.add(name.toLowerCase())
    const engine = {
      name,
      url,
      service,
      apiVersion,
      apiKeys: unique(members.flatMap(({ apiKey }) => apiKey ?? [])),
      models: unique(members.map(({ model }) => model)),
      id: there?.id,
    }
    checkTogether(engine, members, remarks)
    if (there !== undefined) checkServed(engine, there, remarks)
    return engine
  })
}

function checkTogether(
  { url, service, apiVersion, apiKeys }: PlannedEngine,
  members: readonly Deployment[],
  remarks: Remarks,
): void {
  if (members.some((one) => one.service !== service || one.apiVersion !== apiVersion)) {
    const why = 'an address is one engine: give its entries the same provider and api_version'
    remarks.lacks(url, why)
  }
  if (service === undefined && apiKeys.length > 1) {
    remarks.left(url, 'an engine that is no service has one key: the first one is taken')
  }
}

function checkServed({ name, models }: PlannedEngine, there: KnownEngine, remarks: Remarks): void {
  const served = new Set(there.models.map((model) => model.name))
  const absent = there.state === 'up' ? models.filter((model) => !served.has(model)) : []
  if (absent.length === 0) return
  const why = `it is there, but has no ${absent.join(', ')}: gristmill engine remove, then run again`
  remarks.lacks(`engine ${name}`, why)
}

function freeName({ service, url }: Deployment, taken: ReadonlySet<string>): string {
  const { host, pathname, protocol } = new URL(url)
  const title = service && presets[service].title
  const names = title === undefined ? [] : [title, `${title} ${host}`]
  const all = [...names, host, host + pathname, `${protocol}//${host}${pathname}`]
  return all.find((name) => !taken.has(name.toLowerCase())) ?? url
}

export const unique = <Value>(values: Iterable<Value>): Value[] => [...new Set(values)]
