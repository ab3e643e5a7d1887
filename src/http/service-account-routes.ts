/** Routes for accounts of programs. */
import { z } from 'zod'
import { GristmillError } from '../base/index.ts'
import { type ServiceAccount, serviceAccountChange, serviceAccountInput } from '../tenancy/index.ts'
import type { Access } from './access.ts'
import {
  type Api,
  checkEndOfAll,
  checkReach,
  mapPage,
  pageFrom,
  schemas,
  tenantsInReach,
} from './api.ts'
import type { ServiceAccountView } from './contract.ts'
import { RouteShapes } from './route-shapes.ts'
import type { HttpOptions } from './services.ts'

const shapes = new RouteShapes('service accounts', 'keys:read', 'keys:write')
const tenantId = z.string().min(1).max(100)
const path = '/api/service-accounts'

/** @param api where the routes are added */
export function serviceAccountRoutes(api: Api, { tenancy, limits }: HttpOptions): void {
  const { serviceAccounts } = tenancy
  const { serviceAccount } = schemas
  const reached = async (access: Access, id: string) => {
    const account = await serviceAccounts.get(id)
    checkReach(access, account.tenantId, 'service account', id)
    return account
  }
  const listSummary = 'Accounts of programs within reach, in order of creation'
  api.openapi(
    shapes.list(path, listSummary, serviceAccount, { tenant: tenantId.optional() }),
    async (c) => {
      const query = c.req.valid('query')
      const within = tenantsInReach(c.get('access'), query.tenant) ?? undefined
      const page = await serviceAccounts.list(pageFrom(query, limits), within)
      return c.json(mapPage(page, view), 200)
    },
  )
  const createSummary = 'Create an account of a program; it gets keys like a project does'
  const input = serviceAccountInput.extend({ tenantId })
  api.openapi(shapes.create(path, createSummary, input, serviceAccount), async (c) => {
    const { tenantId: id, ...rest } = c.req.valid('json')
    const access = c.get('access')
    checkReach(access, id, 'tenant', id)
    checkSubject(access, rest.tokenSubject, null)
    return c.json(view(await serviceAccounts.create(id, rest, access.actor)), 201)
  })
  const changeSummary = 'Change it; disabling stops its keys and tokens at once'
  api.openapi(
    shapes.change(`${path}/{id}`, changeSummary, serviceAccountChange, serviceAccount),
    async (c) => {
      const access = c.get('access')
      const { id, tokenSubject, isOfAll } = await reached(access, c.req.valid('param').id)
      const input = c.req.valid('json')
      checkSubject(access, input.tokenSubject, tokenSubject)
      if (isOfAll && input.isDisabled !== undefined) checkEndOfAll(access)
      return c.json(view(await serviceAccounts.change(id, input, access.actor)), 200)
    },
  )
  api.openapi(shapes.end(`${path}/{id}`, 'Remove it: its keys are revoked'), async (c) => {
    const access = c.get('access')
    const { id, isOfAll } = await reached(access, c.req.valid('param').id)
    if (isOfAll) checkEndOfAll(access)
    await serviceAccounts.remove(id, access.actor)
    return c.body(null, 204)
  })
}

/**
 * What comes with tokens of a subject is the account's tenant's from then on, prompts and all, so
 * whoever is bound to tenants may name none: it may be another tenant's program, or a person.
 * @throws GristmillError `forbidden`
 */
function checkSubject(
  access: Access,
  given: string | null | undefined,
  before: string | null,
): void {
  if (given == null || given === before || access.permissions.has('tenants:write')) return
  const action = 'name the subject of tokens'
  throw new GristmillError('forbidden', { actor: access.actor.name, action })
}

const view = (account: ServiceAccount): ServiceAccountView => ({
  id: account.id,
  tenantId: account.tenantId,
  name: account.name,
  tokenSubject: account.tokenSubject,
  isDisabled: account.isDisabled,
  createdAt: account.createdAt.toISOString(),
  keyCount: account.keyCount,
})
