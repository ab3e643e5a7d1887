/** Routes of the admin API for the routes of models. */
import { createRoute, z } from '@hono/zod-openapi'
import { GristmillError, problemsOf, serviceClasses, tagsOf } from '../base/index.ts'
import { guardsInput } from '../guard/index.ts'
import { queryFlow } from '../meter/index.ts'
import { invalidRoutes, routesInput } from '../route/index.ts'
import {
  type Api,
  answer,
  body,
  checkReach,
  checkUnbound,
  needs,
  pageFrom,
  pageOfSchema,
  pageQuery,
  tenantsInReach,
} from './api.ts'
import type * as contract from './contract.ts'
import { RouteShapes } from './route-shapes.ts'
import { serviceClass } from './schemas.ts'
import type { HttpOptions } from './services.ts'

const count = z.number().int()
const deprecation = z.object({ date: z.string(), successor: z.string().nullable() }).nullable()
const place = {
  model: z.string(),
  engine: z.string().nullable(),
  preference: count,
  weight: z.number(),
}

const target = z.object({
  ...place,
  when: z.object({
    tenants: z.array(z.string()).optional(),
    classes: z.array(serviceClass).optional(),
    inputTokensMin: count.optional(),
    inputTokensMax: count.optional(),
    keyTags: z.array(z.string()).optional(),
    requestTags: z.array(z.string()).optional(),
  }),
  price: z.object({ inputNanos: count, outputNanos: count }).nullable(),
})

const version = { version: count, actor: z.string(), note: z.string() }

const routeVersion = z
  .object({ ...version, at: z.iso.datetime() })
  .openapi('RouteVersion') satisfies z.ZodType<contract.RouteVersionView>

const routeSet = z
  .object({
    ...version,
    at: z.iso.datetime().nullable(),
    routes: z.array(
      z.object({
        name: z.string(),
        aliases: z.array(z.string()),
        targets: z.array(target),
        defaults: z.record(z.string(), z.unknown()),
        deprecation,
        overflow: z
          .object({
            allowances: z.record(z.string(), z.number()),
            classes: z.array(serviceClass),
          })
          .nullable(),
      }),
    ),
    guards: z.array(
      z.looseObject({
        name: z.string(),
        kind: z.enum(['pattern', 'pii', 'schema', 'http']),
        when: z.enum(['before', 'after']),
      }),
    ),
    warnings: z.array(z.string()),
  })
  .openapi('RouteSet') satisfies z.ZodType<contract.RouteSetView>

const explanation = z
  .object({
    model: z.string(),
    tenantId: z.string(),
    tenant: z.string(),
    mayUse: z.boolean(),
    serviceClass,
    inputTokens: count,
    keyTags: z.array(z.string()),
    requestTags: z.array(z.string()),
    route: z.string().nullable(),
    deprecation,
    guards: z.array(
      z.object({ name: z.string(), kind: z.string(), when: z.string(), does: z.string() }),
    ),
    targets: z.array(z.object({ ...place, share: z.number(), why: z.string() })),
  })
  .openapi('RouteExplanation') satisfies z.ZodType<contract.RouteExplanationView>

const names = z.array(z.string())
const outcomes = z.array(
  z.object({
    model: z.string(),
    engine: z.string().nullable(),
    preference: count,
    share: z.number(),
    isUp: z.boolean(),
    allowanceNanos: z.number().nullable(),
  }),
)
const defaults = z.record(z.string(), z.unknown())

const routeChange = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('targets'),
    names,
    tenants: names,
    others: z.boolean(),
    classes: z.array(serviceClass),
    inputTokensMin: count,
    inputTokensMax: count.nullable(),
    tags: z.array(
      z.array(z.object({ of: z.enum(['key', 'request']), tag: z.string(), has: z.boolean() })),
    ),
    before: outcomes,
    after: outcomes,
  }),
  z.object({ kind: z.literal('defaults'), names, before: defaults, after: defaults }),
  z.object({ kind: z.literal('deprecation'), names, before: deprecation, after: deprecation }),
])

const routeDraft = z
  .object({
    version: count,
    problems: z.array(z.object({ path: z.string(), reason: z.string() })),
    warnings: names,
    changes: z.array(routeChange),
    unexamined: names,
  })
  .openapi('RouteDraft') satisfies z.ZodType<contract.RouteDraftView>

const routeFlow = z
  .object({
    fromAt: z.iso.datetime(),
    toAt: z.iso.datetime(),
    rows: z.array(
      z.object({
        tenantId: z.string(),
        model: z.string(),
        engineId: z.string().nullable(),
        rentedTarget: z.string().nullable(),
        requests: count,
        cut: count,
      }),
    ),
    requests: count,
  })
  .openapi('RouteFlow') satisfies z.ZodType<contract.RouteFlowView>

const versionNumber = z.coerce.number().int().min(0).max(2_147_483_647)
const tags = ['routes']

const change = z.strictObject({
  routes: routesInput,
  guards: guardsInput
    .optional()
    .openapi({ description: 'Where it is left out, the guards that hold stay.' }),
  note: z.string().max(500).optional().openapi({ description: 'What the change is for.' }),
  baseVersion: versionNumber
    .optional()
    .openapi({ description: 'Refused where another version holds by now.' }),
})

const readSet = createRoute({
  ...needs('routes:read'),
  tags,
  method: 'get',
  path: '/api/routes',
  summary: 'The routes that hold, all of them',
  responses: { 200: answer('The newest version.', routeSet) },
})

const applySet = createRoute({
  ...needs('routes:write'),
  tags,
  method: 'put',
  path: '/api/routes',
  summary: 'Replace all routes at once; checked as a whole, and stored as a new version',
  request: { body: body(change) },
  responses: { 200: answer('The version that holds now.', routeSet) },
})

const readVersions = createRoute({
  ...needs('routes:read'),
  tags,
  method: 'get',
  path: '/api/routes/versions',
  summary: 'Versions of the routes, newest first',
  request: { query: z.object(pageQuery) },
  responses: { 200: answer('A page.', pageOfSchema(routeVersion)) },
})

const rollback = createRoute({
  ...needs('routes:write'),
  tags,
  method: 'post',
  path: '/api/routes/rollback',
  summary: 'Make an earlier version hold again: the one before, or the one that is named',
  request: { body: body(z.strictObject({ version: versionNumber.optional() })) },
  responses: { 200: answer('The version that holds now.', routeSet) },
})

const tagList = (description: string) =>
  z
    .string()
    .max(2000)
    .refine((text) => tagsOf(text) !== undefined, 'they must be tags with commas between them')
    .optional()
    .openapi({ description })

const explain = createRoute({
  ...needs('routes:read'),
  tags,
  method: 'get',
  path: '/api/routes/explain',
  summary: 'Where a request of a tenant for a model would go now, and why',
  request: {
    query: z.object({
      model: z.string().min(1).max(256),
      tenant: z.string().min(1).max(100).openapi({ description: 'Identifier of a tenant.' }),
      class: z.enum(serviceClasses).optional(),
      inputTokens: z.coerce.number().int().min(0).optional(),
      keyTags: tagList('What its key is tagged with, with commas.'),
      requestTags: tagList('What the request brings in x-gristmill-tags.'),
    }),
  },
  responses: { 200: answer('Every target with its share.', explanation) },
})

const draft = createRoute({
  ...needs('routes:write'),
  tags,
  method: 'post',
  path: '/api/routes/draft',
  summary: 'What is wrong with routes, or what they would change and for whom; nothing is kept',
  request: { body: body(z.strictObject({ routes: z.unknown(), guards: z.unknown().optional() })) },
  responses: { 200: answer('Problems, or changes against those that hold.', routeDraft) },
})

/** They say which tenants they are for and what these may spend. */
const OF_ALL = 'see the routes of all tenants; ask where those of your own would go'
const MINUTE_MS = 60_000
const FLOW_ROWS_MAX = 200

const flow = createRoute({
  ...needs('routes:read'),
  tags,
  method: 'get',
  path: '/api/routes/flow',
  summary: 'Who asked for what in the last minutes, and which engine or rented target answered',
  request: { query: z.object({ minutes: z.coerce.number().int().min(1).max(15).optional() }) },
  responses: { 200: answer('Requests that ended, summed up.', routeFlow) },
})

/** @param api where the routes are added */
export function modelRouteRoutes(api: Api, options: HttpOptions): void {
  const { routes, limits, database, clock } = options
  api.openapi(readSet, (c) => {
    checkUnbound(c.get('access'), OF_ALL)
    return c.json(routes.current(), 200)
  })
  api.openapi(
    applySet,
    async (c) => {
      const { note, baseVersion, ...wanted } = c.req.valid('json')
      const { actor } = c.get('access')
      return c.json(await routes.apply(wanted, actor, note, baseVersion), 200)
    },
    (result) => {
      // Everything that is wrong rather than the first of it.
      if (!result.success) throw invalidRoutes(problemsOf(result.error))
    },
  )
  api.openapi(readVersions, async (c) => {
    checkUnbound(c.get('access'), OF_ALL)
    return c.json(await routes.versions(pageFrom(c.req.valid('query'), limits)), 200)
  })
  api.openapi(draft, (c) => c.json(routes.draft(c.req.valid('json')), 200))
  api.openapi(flow, async (c) => {
    const toMs = clock.nowMs()
    const fromMs = toMs - (c.req.valid('query').minutes ?? 5) * MINUTE_MS
    const tenantIds = tenantsInReach(c.get('access'), undefined) ?? undefined
    const found = await queryFlow(database.sql, { fromMs, toMs, tenantIds }, FLOW_ROWS_MAX)
    const at = (ms: number) => new Date(ms).toISOString()
    return c.json({ fromAt: at(fromMs), toAt: at(toMs), ...found }, 200)
  })
  const shapes = new RouteShapes('routes', 'routes:read', 'routes:write')
  const readSummary = 'An earlier version of the routes, by its number'
  api.openapi(shapes.read('/api/routes/versions/{id}', readSummary, routeSet), async (c) => {
    checkUnbound(c.get('access'), OF_ALL)
    const { id } = c.req.valid('param')
    const wanted = versionNumber.safeParse(id)
    if (wanted.success) return c.json(await routes.version(wanted.data), 200)
    throw new GristmillError('not_found', { kind: 'version of the routes', id })
  })
  api.openapi(rollback, async (c) => {
    const { version: to } = c.req.valid('json')
    return c.json(await routes.rollback(c.get('access').actor, to), 200)
  })
  api.openapi(explain, async (c) => {
    const { model, tenant, class: serviceClass, inputTokens = 0, ...tags } = c.req.valid('query')
    const [keyTags, requestTags] = [tags.keyTags, tags.requestTags].map((text) =>
      tagsOf(text ?? ''),
    )
    checkReach(c.get('access'), tenant, 'tenant', tenant)
    const asked = { model, tenantId: tenant, serviceClass, inputTokens }
    const tagged = { keyTags: keyTags ?? [], requestTags: requestTags ?? [] }
    return c.json(await routes.explain({ ...asked, ...tagged }), 200)
  })
}
