/** Reading routes as people write them: every field checked, then the routes against each other. */
import { z } from 'zod'
import {
  GristmillError,
  type Problem,
  problemsOf,
  serviceClasses,
  tagsSchema,
} from '../base/index.ts'
import { type Guard, guardsInput, problemsAmongGuards } from '../guard/index.ts'
import { PREFERENCE_MAX } from './resolve.ts'
import type { Route } from './types.ts'

const ROUTES_MAX = 1000
const PROBLEMS_SHOWN = 20
const MONEY_MAX = 1_000_000_000_000_000

/** What belongs to the request itself, to admission or to an engine's order of work. */
const NO_DEFAULT = new Set([
  'model',
  'messages',
  'prompt',
  'input',
  'stream',
  'stream_options',
  'n',
  'service_tier',
  'user',
  'safety_identifier',
  'metadata',
  'priority',
  'cache_salt',
  'cache_prompt',
  'id_slot',
  'vllm_xargs',
  'kv_transfer_params',
  'request_id',
])

const modelName = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[^\p{Cc}\s]+$/u, 'it may not contain spaces or control characters')
const tokens = z.number().int().min(0).max(100_000_000)

const nanos = z.number().int().min(0).max(1_000_000_000_000)

const conditions = z.strictObject({
  tenants: z.array(z.string().min(1).max(100)).min(1).max(1000).optional(),
  classes: z.array(z.enum(serviceClasses)).min(1).max(4).optional(),
  inputTokensMin: tokens.optional(),
  inputTokensMax: tokens.optional(),
  keyTags: tagsSchema.min(1).optional(),
  requestTags: tagsSchema.min(1).optional(),
})

const target = z.strictObject({
  model: modelName,
  engine: z.string().min(1).max(100).nullable().default(null),
  preference: z.number().int().min(1).max(PREFERENCE_MAX).default(1),
  weight: z.number().min(0.001).max(1_000_000).default(1),
  when: conditions.default({}),
  price: z.strictObject({ inputNanos: nanos, outputNanos: nanos }).nullable().default(null),
})

const route = z.strictObject({
  name: modelName,
  aliases: z.array(modelName).max(100).default([]),
  targets: z.array(target).min(1).max(32),
  defaults: z.record(z.string().max(100), z.unknown()).default({}),
  deprecation: z
    .strictObject({ date: z.iso.date(), successor: modelName.nullable().default(null) })
    .nullable()
    .default(null),
  overflow: z
    .strictObject({
      allowances: z.record(z.string().min(1).max(100), z.number().int().min(0).max(MONEY_MAX)),
      classes: z.array(z.enum(serviceClasses)).min(1).max(4).default(['priority', 'standard']),
    })
    .nullable()
    .default(null),
})

/** Routes as they are written; what is left out has its usual value. */
export const routesInput = z.array(route).max(ROUTES_MAX)

const document = z.strictObject({ routes: routesInput, guards: guardsInput.optional() })

/** Routes and guards as they hold together; guards that are not named stay as they are. */
export interface RouteDocument {
  routes: Route[]
  guards?: Guard[] | undefined
}

/**
 * A new version.
 * @throws GristmillError `invalid_routes`, with everything that is wrong
 */
export function readDocument(value: unknown): RouteDocument {
  const { problems, ...read } = tryDocument(value)
  if (problems.length === 0) return read
  throw invalidRoutes(problems)
}

/** The same with what is wrong; with problems there are no routes. */
export function tryDocument(value: unknown): RouteDocument & { problems: Problem[] } {
  const read = document.safeParse(value)
  if (!read.success) return { routes: [], problems: problemsOf(read.error) }
  const { routes, guards } = read.data
  const problems = [...problemsAmong(routes), ...problemsAmongGuards(guards ?? [])]
  return problems.length === 0 ? { routes, guards, problems } : { routes: [], problems }
}

/** The error that tells what is wrong with routes. */
export function invalidRoutes(problems: readonly Problem[]): GristmillError {
  const shown = problems.slice(0, PROBLEMS_SHOWN).map(({ path, reason }) => `${path}: ${reason}`)
  if (shown.length < problems.length) shown.push(`and ${problems.length - shown.length} more`)
  return new GristmillError('invalid_routes', { problems: shown.join('; ') })
}

function problemsAmong(routes: readonly Route[]): Problem[] {
  return [
    ...nameClashes(routes),
    ...routes.flatMap((one, index) => problemsIn(one, `routes.${index}`)),
    ...successorLoops(routes),
  ]
}

function nameClashes(routes: readonly Route[]): Problem[] {
  const owners = new Map<string, string>()
  return routes.flatMap(({ name, aliases }, index) =>
    [name, ...aliases].flatMap((one, at) => {
      const owner = owners.get(one)
      owners.set(one, owner ?? name)
      if (owner === undefined) return []
      const path = `routes.${index}.${at === 0 ? 'name' : `aliases.${at - 1}`}`
      return [{ path, reason: `${one} is a name of ${owner} already` }]
    }),
  )
}

function problemsIn({ targets, defaults, overflow }: Route, path: string): Problem[] {
  const problems: Problem[] = []
  const add = (where: string, reason: string) => problems.push({ path: where, reason })
  const rented = targets.filter(({ price }) => price !== null).length
  if (overflow !== null && (rented === 0 || rented === targets.length)) {
    add(`${path}.overflow`, 'it needs a target with a price, and one without')
  }
  const seen = new Set<string>()
  for (const [index, one] of targets.entries()) {
    const { inputTokensMin = 0, inputTokensMax = Infinity } = one.when
    const at = `${path}.targets.${index}`
    if (inputTokensMin > inputTokensMax) {
      add(`${at}.when`, 'inputTokensMin is above inputTokensMax, so it takes nothing')
    }
    const same = JSON.stringify([one.model, one.engine, one.when])
    if (seen.has(same)) add(at, 'an earlier target is the same')
    seen.add(same)
  }
  for (const name of Object.keys(defaults)) {
    if (NO_DEFAULT.has(name)) add(`${path}.defaults.${name}`, 'it cannot have a default')
  }
  return problems
}

/** Names that lead to each other, so that whoever follows them finds nothing. */
function successorLoops(routes: readonly Route[]): Problem[] {
  const next = new Map<string, string>()
  for (const { name, aliases, deprecation } of routes) {
    if (!deprecation?.successor) continue
    for (const one of [name, ...aliases]) next.set(one, deprecation.successor)
  }
  return routes.flatMap(({ name }, index) => {
    const passed = new Set([name])
    for (let at = next.get(name); at !== undefined; at = next.get(at)) {
      if (passed.has(at)) {
        const path = `routes.${index}.deprecation.successor`
        return [{ path, reason: `the successors of ${name} lead in a circle` }]
      }
      passed.add(at)
    }
    return []
  })
}
