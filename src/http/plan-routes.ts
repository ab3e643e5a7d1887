/** Routes for plans: what a trace of traffic needs, worked out beside the gateway, one a person. */
import { createRoute, z } from '@hono/zod-openapi'
import { GristmillError } from '../base/index.ts'
import { builtInProfiles } from '../pool/index.ts'
import type { Access } from './access.ts'
import { type Api, answer, body, needs, tenantsInReach } from './api.ts'
import * as schemas from './plan-schemas.ts'
import type { HttpOptions, PlanInput } from './services.ts'

/** Its body is a trace and may be larger than others. */
export const PLAN_PATH = '/api/plan'

const tags = ['plan']
const text = { schema: z.string().openapi({ description: 'A trace; see docs/traces.md.' }) }

const readPlan = createRoute({
  ...needs('plan:run'),
  tags,
  method: 'get',
  path: PLAN_PATH,
  summary: 'Your plan as it goes or as it ended; null where none was begun',
  responses: { 200: answer('The plan.', schemas.plan.nullable()) },
})

const startPlan = createRoute({
  ...needs('plan:run'),
  tags,
  method: 'post',
  path: PLAN_PATH,
  summary: 'Begin a plan: engines that traffic needs, each tenant alone and all in one pool',
  request: {
    query: schemas.planQuery,
    body: { content: { 'text/csv': text }, required: false },
  },
  responses: { 201: answer('The plan.', schemas.plan) },
})

const cancelPlan = createRoute({
  ...needs('plan:run'),
  tags,
  method: 'delete',
  path: PLAN_PATH,
  summary: 'Stop what is being worked out',
  responses: { 200: answer('The plan.', schemas.plan.nullable()) },
})

const askPlan = createRoute({
  ...needs('plan:run'),
  tags,
  method: 'post',
  path: `${PLAN_PATH}/what-if`,
  summary: 'Ask what would change: one more tenant, more load, more or fewer engines',
  request: { body: body(z.strictObject({ change: schemas.change })) },
  responses: { 201: answer('The plan.', schemas.plan) },
})

const listEngines = createRoute({
  ...needs('plan:run'),
  tags,
  method: 'get',
  path: `${PLAN_PATH}/engines`,
  summary: 'Engines that a plan can be made for, and where their figures come from',
  responses: { 200: answer('The engines.', z.array(schemas.planEngine)) },
})

/** @param api where the routes are added */
export function planRoutes(api: Api, { plans }: HttpOptions): void {
  api.openapi(readPlan, (c) => c.json(plans.view(personOf(c.get('access'))), 200))
  api.openapi(startPlan, async (c) => {
    const { source, name, hours, ...rest } = c.req.valid('query')
    const access = c.get('access')
    if (!builtInProfiles.some((profile) => profile.name === rest.engine)) {
      const names = builtInProfiles.map((profile) => profile.name).join(', ')
      throw new GristmillError('invalid_value', {
        param: 'engine',
        reason: `it is one of ${names}`,
      })
    }
    const bytes = async () => new Uint8Array(await c.req.arrayBuffer())
    const input: PlanInput = {
      ...rest,
      costPerEngineHour: rest.costPerEngineHour ?? null,
      source:
        source === 'trace'
          ? { kind: source, name: name ?? null, bytes: await bytes() }
          : source === 'ledger'
            ? { kind: source, hours, tenantIds: tenantsInReach(access, undefined) }
            : { kind: source },
    }
    return c.json(await plans.start(personOf(access), input), 201)
  })
  api.openapi(cancelPlan, (c) => c.json(plans.cancel(personOf(c.get('access'))), 200))
  api.openapi(askPlan, (c) => {
    const { change } = c.req.valid('json')
    return c.json(plans.ask(personOf(c.get('access')), change), 201)
  })
  api.openapi(listEngines, (c) =>
    c.json(
      builtInProfiles.map(({ name, basis }) => ({ name, basis })),
      200,
    ),
  )
}

/** A person, a key, or the command line of this machine. */
export const personOf = ({ userId, actor }: Access) => userId ?? actor.name
