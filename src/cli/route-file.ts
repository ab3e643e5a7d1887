/**
 * Routes in a file: YAML, of which JSON is a part, with the fields of the API. What is wrong with
 * them is for the server to say; here is only where in the file it stands.
 */
import { isMap, isNode, isSeq, LineCounter, parseDocument, stringify } from 'yaml'
import { GristmillError } from '../base/index.ts'
import type { GuardView, RouteView } from '../http/index.ts'
import { readNamedFile } from './named-file.ts'

export interface RouteFile {
  routes: unknown
  /** undefined where the file names none. */
  guards: unknown
  /** Line of a field or value by its path (`routes.0.name`), or of what is around it. */
  lineOf(path: string): number
}

/** @throws GristmillError `invalid_value` where the file is not there or holds no list of routes */
export function readRouteFile(file: string): RouteFile {
  const text = readNamedFile(file)
  try {
    return parseRoutes(text)
  } catch (cause) {
    const reason = ((cause as Error).message.split('\n')[0] ?? '').replace(/:$/, '')
    throw new GristmillError('invalid_value', { param: file, reason }, { cause })
  }
}

/** @throws Error where the text is no YAML with a list of routes */
export function parseRoutes(text: string): RouteFile {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  if (document.errors[0]) throw document.errors[0]
  const { routes, guards } = (document.toJS() ?? {}) as { routes?: unknown; guards?: unknown }
  if (!Array.isArray(routes)) throw new Error('a list "routes" is needed')
  const lineOf = (path: string): number => {
    for (let keys = path.split('.'); keys.length > 0; keys = keys.slice(0, -1)) {
      const offset = offsetOf(document.getIn(keys.slice(0, -1), true), keys.at(-1) ?? '')
      if (offset !== undefined) return lines.linePos(offset).line
    }
    return 1
  }
  return { routes, guards, lineOf }
}

/** Where an entry of a map or a list begins; of a map, its name. */
function offsetOf(around: unknown, key: string): number | undefined {
  const node = isMap(around)
    ? around.items.find((pair) => String(pair.key) === key)?.key
    : isSeq(around) && around.items[Number(key)]
  return isNode(node) ? node.range?.[0] : undefined
}

/** Routes as people write them: without what is as usual. */
export function routesAsYaml(
  routes: readonly RouteView[],
  guards: readonly GuardView[] = [],
): string {
  const all = { routes: routes.map(writtenRoute), ...(guards.length > 0 && { guards }) }
  return stringify(all, { lineWidth: 100 })
}

function writtenRoute({ name, targets, deprecation, ...rest }: RouteView) {
  const end = deprecation && written(deprecation)
  return { name, targets: targets.map(written), ...written({ ...rest, deprecation: end }) }
}

const usual: Record<string, unknown> = { preference: 1, weight: 1 }

/** Without fields that are absent, empty or as usual. */
function written(value: object): object {
  const kept = Object.entries(value).filter(([name, one]) => {
    const isEmpty = typeof one === 'object' && one !== null && Object.keys(one).length === 0
    return one !== null && !isEmpty && one !== usual[name]
  })
  return Object.fromEntries(kept)
}
