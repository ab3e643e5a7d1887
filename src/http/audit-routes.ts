/** Reading the audit log. Nothing here or elsewhere can change it. */
import { createRoute, z } from '@hono/zod-openapi'
import type { AuditRecord } from '../tenancy/index.ts'
import {
  type Api,
  answer,
  mapPage,
  needs,
  pageFrom,
  pageOfSchema,
  pageQuery,
  schemas,
  tenantsInReach,
} from './api.ts'
import type { AuditView } from './contract.ts'
import type { HttpOptions } from './services.ts'

/** @param api where the routes are added */
export function auditRoutes(api: Api, { tenancy, limits }: HttpOptions): void {
  api.openapi(
    createRoute({
      ...needs('audit:read'),
      tags: ['audit'],
      method: 'get',
      path: '/api/audit',
      summary: 'Who changed what, when and from where, newest first',
      request: {
        query: z.object({
          tenant: z.string().max(100).optional(),
          action: z.string().max(100).optional().openapi({
            description: 'Beginning of the action, such as `key.`.',
          }),
          ...pageQuery,
        }),
      },
      responses: { 200: answer('A page of audit records.', pageOfSchema(schemas.audit)) },
    }),
    async (c) => {
      const query = c.req.valid('query')
      const within = tenantsInReach(c.get('access'), query.tenant) ?? undefined
      const filter = { action: query.action, withinTenantIds: within }
      const page = await tenancy.audit.list(filter, pageFrom(query, limits))
      return c.json(mapPage(page, auditView), 200)
    },
  )
}

function auditView({ id, at, actor, action, subject, detail, from }: AuditRecord): AuditView {
  return { id, at: at.toISOString(), actor, action, subject, detail, from }
}
