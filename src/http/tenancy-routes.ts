/** Routes for tenants and projects. */
import {
  type Project,
  projectChange,
  projectInput,
  type Tenant,
  tenantChange,
  tenantInput,
} from '../tenancy/index.ts'
import { type Api, checkReach, mapPage, pageFrom, schemas } from './api.ts'
import type { ProjectView, TenantView } from './contract.ts'
import { RouteShapes } from './route-shapes.ts'
import type { HttpOptions } from './services.ts'

const KEYS_END = 'its keys are revoked, its ledger rows stay'
const shapes = new RouteShapes('tenants', 'tenants:read', 'tenants:write')

/** @param api where the routes are added */
export function tenancyRoutes(api: Api, { tenancy, limits }: HttpOptions): void {
  const { tenants, projects } = tenancy

  api.openapi(
    shapes.list('/api/tenants', 'Tenants within reach, in order of creation', schemas.tenant, {}),
    async (c) => {
      const ids = c.get('access').tenantIds
      const page = await tenants.list(pageFrom(c.req.valid('query'), limits), ids ?? undefined)
      return c.json(mapPage(page, tenantView), 200)
    },
  )
  api.openapi(
    shapes.create(
      '/api/tenants',
      'Create a tenant with a project named default',
      tenantInput,
      schemas.tenant,
    ),
    async (c) => {
      const created = await tenants.create(c.req.valid('json'), c.get('access').actor)
      return c.json(tenantView(created), 201)
    },
  )
  api.openapi(shapes.read('/api/tenants/{id}', 'One tenant', schemas.tenant), async (c) => {
    const { id } = c.req.valid('param')
    checkReach(c.get('access'), id, 'tenant', id)
    return c.json(tenantView(await tenants.get(id)), 200)
  })
  api.openapi(
    shapes.change('/api/tenants/{id}', 'Change a tenant', tenantChange, schemas.tenant),
    async (c) => {
      const { id } = c.req.valid('param')
      const changed = await tenants.change(id, c.req.valid('json'), c.get('access').actor)
      return c.json(tenantView(changed), 200)
    },
  )
  api.openapi(shapes.end('/api/tenants/{id}', `Archive a tenant: ${KEYS_END}`), async (c) => {
    await tenants.archive(c.req.valid('param').id, c.get('access').actor)
    return c.body(null, 204)
  })
  api.openapi(
    shapes.listOf(
      '/api/tenants/{id}/projects',
      'Projects of a tenant, oldest first',
      schemas.project,
    ),
    async (c) => {
      const { id } = c.req.valid('param')
      checkReach(c.get('access'), id, 'tenant', id)
      await tenants.get(id)
      const page = await projects.list(id, pageFrom(c.req.valid('query'), limits))
      return c.json(mapPage(page, projectView), 200)
    },
  )
  projectRoutes(api, tenancy.projects)
}

function projectRoutes(api: Api, projects: HttpOptions['tenancy']['projects']): void {
  api.openapi(
    shapes.createIn(
      '/api/tenants/{id}/projects',
      'Create a project',
      projectInput,
      schemas.project,
    ),
    async (c) => {
      const { id } = c.req.valid('param')
      const created = await projects.create(id, c.req.valid('json'), c.get('access').actor)
      return c.json(projectView(created), 201)
    },
  )
  api.openapi(
    shapes.change('/api/projects/{id}', 'Change a project', projectChange, schemas.project),
    async (c) => {
      const { id } = c.req.valid('param')
      const changed = await projects.change(id, c.req.valid('json'), c.get('access').actor)
      return c.json(projectView(changed), 200)
    },
  )
  api.openapi(shapes.end('/api/projects/{id}', `Archive a project: ${KEYS_END}`), async (c) => {
    await projects.archive(c.req.valid('param').id, c.get('access').actor)
    return c.body(null, 204)
  })
}

const tenantView = (tenant: Tenant): TenantView => ({
  ...tenant,
  createdAt: tenant.createdAt.toISOString(),
})

const projectView = (project: Project): ProjectView => ({
  ...project,
  createdAt: project.createdAt.toISOString(),
})
