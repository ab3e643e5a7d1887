/** Routes of the admin API for alerts of budgets. */
import { createRoute, z } from '@hono/zod-openapi'
import { GristmillError } from '../base/index.ts'
import { type AlertSettings, alertSettings, type Outlook } from '../meter/index.ts'
import {
  type Api,
  answer,
  body,
  checkReach,
  idParam,
  needs,
  pageFrom,
  tenantsInReach,
} from './api.ts'
import type * as contract from './contract.ts'
import { RouteShapes } from './route-shapes.ts'
import type { HttpOptions } from './services.ts'

const emptyAt = z
  .object({ expected: z.string(), earliest: z.string(), latest: z.string().nullable() })
  .nullable()

const alert = z
  .object({
    id: z.string(),
    budgetId: z.string(),
    budgetName: z.string(),
    tenantId: z.string(),
    tenantName: z.string(),
    kind: z.enum(['threshold', 'forecast']),
    percent: z.number().int().nullable(),
    unit: z.string(),
    currency: z.string().nullable(),
    limit: z.string(),
    spent: z.string(),
    isHard: z.boolean(),
    renewsAt: z.string().nullable(),
    emptyAt,
    at: z.string(),
    mails: z.array(
      z.object({
        address: z.string(),
        state: z.enum(['due', 'delivered', 'failed']),
        attempts: z.number().int(),
        reason: z.string().nullable(),
      }),
    ),
  })
  .openapi('BudgetAlert') satisfies z.ZodType<contract.BudgetAlertView>

const settings = z
  .object({
    percents: z.array(z.number().int()),
    onForecast: z.boolean(),
    emails: z.array(z.string()),
    outlook: z.object({
      kind: z.enum(['empty', 'lasts', 'few', 'none']),
      emptyAt,
      steps: z.number().int(),
    }),
  })
  .openapi('BudgetAlerts') satisfies z.ZodType<contract.BudgetAlertsView>

const path = '/api/budgets/{id}/alerts'
const request = { params: idParam }

const readSettings = createRoute({
  ...needs('budgets:read'),
  tags: ['budgets'],
  method: 'get',
  path,
  summary: 'When somebody is told of a budget, and when it will be used up at this pace',
  request,
  responses: { 200: answer('Settings and outlook.', settings) },
})

const setSettings = createRoute({
  ...needs('budgets:write'),
  tags: ['budgets'],
  method: 'put',
  path,
  summary: 'Set when somebody is told of a budget, and who besides the webhook of its tenant',
  request: { ...request, body: body(alertSettings) },
  responses: { 200: answer('Settings and outlook.', settings) },
})

/** @param api where the routes are added */
export function alertRoutes(api: Api, options: HttpOptions): void {
  const { alerts, budgets, limits } = options
  const shapes = new RouteShapes('budgets', 'budgets:read', 'budgets:write')
  const filter = { tenant: z.string().max(100).optional() }
  const summary = 'What was told of budgets, the newest first'
  api.openapi(shapes.list('/api/budget-alerts', summary, alert, filter), async (c) => {
    const query = c.req.valid('query')
    const { limit, cursor } = pageFrom(query, limits)
    const tenantIds = tenantsInReach(c.get('access'), query.tenant) ?? undefined
    const found = await alerts.list({ tenantIds }, { limit: limit + 1, before: cursor })
    const rows = found.slice(0, limit)
    const next = found.length > limit ? (rows.at(-1)?.id ?? null) : null
    return c.json({ rows, next }, 200)
  })
  api.openapi(readSettings, async (c) => {
    const { id } = c.req.valid('param')
    checkReach(c.get('access'), budgets.get(id).tenantId, 'budget', id)
    return c.json(await viewOf(options, id, await alerts.settings(id)), 200)
  })
  api.openapi(setSettings, async (c) => {
    const { id } = c.req.valid('param')
    const access = c.get('access')
    const budget = budgets.get(id)
    checkReach(access, budget.tenantId, 'budget', id)
    const set = await alerts.set(budget, c.req.valid('json'), access.actor)
    return c.json(await viewOf(options, id, set), 200)
  })
}

async function viewOf(
  { alerts, budgets }: HttpOptions,
  id: string,
  given: AlertSettings,
): Promise<contract.BudgetAlertsView> {
  const standings = await budgets.list([budgets.get(id).tenantId])
  const standing = standings.find(({ budget }) => budget.id === id)
  if (standing === undefined) throw new GristmillError('not_found', { kind: 'budget', id })
  return { ...given, outlook: outlookView(await alerts.outlook(standing)) }
}

function outlookView(outlook: Outlook): contract.BudgetAlertsView['outlook'] {
  if (outlook.kind === 'none') return { kind: 'none', emptyAt: null, steps: 0 }
  if (outlook.kind !== 'empty') return { ...outlook, emptyAt: null }
  const { expectedMs, earliestMs, latestMs, steps } = outlook.forecast
  const iso = (ms: number) => new Date(ms).toISOString()
  const latest = latestMs === null ? null : iso(latestMs)
  return {
    kind: 'empty',
    emptyAt: { expected: iso(expectedMs), earliest: iso(earliestMs), latest },
    steps,
  }
}
