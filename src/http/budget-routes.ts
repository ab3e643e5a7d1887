/** Routes of the admin API for budgets. */
import { createRoute, z } from '@hono/zod-openapi'
import { GristmillError } from '../base/index.ts'
import {
  type BudgetInput,
  budgetChange,
  budgetInput,
  budgetPeriods,
  budgetUnits,
} from '../meter/index.ts'
import type { Tenancy } from '../tenancy/index.ts'
import { type Api, answer, body, checkReach, needs, tenantsInReach } from './api.ts'
import { budgetView } from './budget-views.ts'
import type * as contract from './contract.ts'
import { RouteShapes } from './route-shapes.ts'
import type { HttpOptions } from './services.ts'

export const budget = z
  .object({
    id: z.string(),
    name: z.string(),
    tenantId: z.string(),
    projectId: z.string().nullable(),
    keyId: z.string().nullable(),
    endUser: z.string().nullable(),
    unit: z.enum(budgetUnits),
    currency: z.string().nullable(),
    limit: z.string(),
    period: z.enum(budgetPeriods),
    isHard: z.boolean(),
    clamps: z.boolean(),
    isPrepaid: z.boolean(),
    spent: z.string(),
    reserved: z.string(),
    left: z.string(),
    startsAt: z.iso.datetime(),
    renewsAt: z.iso.datetime().nullable(),
  })
  .openapi('Budget') satisfies z.ZodType<contract.BudgetView>

const shapes = new RouteShapes('budgets', 'budgets:read', 'budgets:write')

const listBudgets = createRoute({
  ...needs('budgets:read'),
  tags: ['budgets'],
  method: 'get',
  path: '/api/budgets',
  summary: 'Budgets as they stand in their present periods',
  request: { query: z.object({ tenant: z.string().max(100).optional() }) },
  responses: { 200: answer('All of them.', z.object({ rows: z.array(budget) })) },
})

const createBudget = createRoute({
  ...needs('budgets:write'),
  tags: ['budgets'],
  method: 'post',
  path: '/api/budgets',
  summary: 'Bound what a tenant, a project, a key or end users may spend in a time',
  request: { body: body(budgetInput) },
  responses: { 201: answer('What was made.', budget) },
})

const changeBudget = shapes.change('/api/budgets/{id}', 'Change a budget', budgetChange, budget)
const endBudget = shapes.end('/api/budgets/{id}', 'End a budget')

/** @param api where the routes are added */
export function budgetRoutes(api: Api, { budgets, tenancy, prices }: HttpOptions): void {
  const viewOf = async (id: string) => {
    const { tenantId } = budgets.get(id)
    const standing = (await budgets.list([tenantId])).find((one) => one.budget.id === id)
    if (standing === undefined) throw new GristmillError('not_found', { kind: 'budget', id })
    return budgetView(standing, prices.currency)
  }
  api.openapi(listBudgets, async (c) => {
    const tenantIds = tenantsInReach(c.get('access'), c.req.valid('query').tenant) ?? undefined
    const standings = await budgets.list(tenantIds)
    return c.json({ rows: standings.map((one) => budgetView(one, prices.currency)) }, 200)
  })
  api.openapi(createBudget, async (c) => {
    const input = c.req.valid('json')
    const access = c.get('access')
    checkReach(access, input.tenantId, 'tenant', input.tenantId)
    await checkSubject(tenancy, input)
    const { id } = await budgets.create(input, access.actor)
    return c.json(await viewOf(id), 201)
  })
  api.openapi(changeBudget, async (c) => {
    const { id } = c.req.valid('param')
    const access = c.get('access')
    checkReach(access, budgets.get(id).tenantId, 'budget', id)
    await budgets.change(id, c.req.valid('json'), access.actor)
    return c.json(await viewOf(id), 200)
  })
  api.openapi(endBudget, async (c) => {
    const { id } = c.req.valid('param')
    const access = c.get('access')
    checkReach(access, budgets.get(id).tenantId, 'budget', id)
    await budgets.end(id, access.actor)
    return c.body(null, 204)
  })
}

/** @throws GristmillError `not_found` where project or key are not the tenant's */
async function checkSubject(tenancy: Tenancy, input: BudgetInput): Promise<void> {
  const { tenantId, projectId, keyId } = input
  await tenancy.tenants.get(tenantId)
  if (projectId != null) await tenancy.principalFor(tenantId, projectId)
  if (keyId == null) return
  const key = await tenancy.keys.get(keyId)
  if (key.tenantId !== tenantId) throw new GristmillError('not_found', { kind: 'key', id: keyId })
}
