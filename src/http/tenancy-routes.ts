/** Routes for tenants and projects. */
import { createRoute, z } from '@hono/zod-openapi'
import {
  type Project,
  projectChange,
  projectInput,
  type Tenant,
  tenantChange,
  tenantInput,
} from '../tenancy/index.ts'
import {
  type Api,
  answer,
  body,
  checkReach,
  idParam,
  mapPage,
  needs,
  nothing,
  pageFrom,
  pageOfSchema,
  pageQuery,
  schemas,
} from './api.ts'
import type { ProjectView, TenantView } from './contract.ts'
import type { HttpOptions } from './services.ts'

const tags = ['tenants']
const query = z.object(pageQuery)

const listTenants = createRoute({
  ...needs('tenants:read'),
  tags,
  method: 'get',
  path: '/api/tenants',
  summary: 'Tenants within reach, in order of creation',
  request: { query },
  responses: { 200: answer('A page of tenants.', pageOfSchema(schemas.tenant)) },
})

const createTenant = createRoute({
  ...needs('tenants:write'),
  tags,
  method: 'post',
  path: '/api/tenants',
  summary: 'Create a tenant with a project named default',
  request: { body: body(tenantInput) },
  responses: { 201: answer('The tenant.', schemas.tenant) },
})

const readTenant = createRoute({
  ...needs('tenants:read'),
  tags,
  method: 'get',
  path: '/api/tenants/{id}',
  summary: 'One tenant',
  request: { params: idParam },
  responses: { 200: answer('The tenant.', schemas.tenant) },
})

const changeTenant = createRoute({
  ...needs('tenants:write'),
  tags,
  method: 'patch',
  path: '/api/tenants/{id}',
  summary: 'Change a tenant; fields that are not named stay',
  request: { params: idParam, body: body(tenantChange) },
  responses: { 200: answer('The tenant as it is now.', schemas.tenant) },
})

const archiveTenant = createRoute({
  ...needs('tenants:write'),
  tags,
  method: 'delete',
  path: '/api/tenants/{id}',
  summary: 'Archive a tenant: its keys are revoked, its ledger rows stay',
  request: { params: idParam },
  responses: { 204: nothing },
})

const listProjects = createRoute({
  ...needs('tenants:read'),
  tags,
  method: 'get',
  path: '/api/tenants/{id}/projects',
  summary: 'Projects of a tenant, in order of creation',
  request: { params: idParam, query },
  responses: { 200: answer('A page of projects.', pageOfSchema(schemas.project)) },
})

const createProject = createRoute({
  ...needs('tenants:write'),
  tags,
  method: 'post',
  path: '/api/tenants/{id}/projects',
  summary: 'Create a project',
  request: { params: idParam, body: body(projectInput) },
  responses: { 201: answer('The project.', schemas.project) },
})

const changeProject = createRoute({
  ...needs('tenants:write'),
  tags,
  method: 'patch',
  path: '/api/projects/{id}',
  summary: 'Change a project; fields that are not named stay',
  request: { params: idParam, body: body(projectChange) },
  responses: { 200: answer('The project as it is now.', schemas.project) },
})

const archiveProject = createRoute({
  ...needs('tenants:write'),
  tags,
  method: 'delete',
  path: '/api/projects/{id}',
  summary: 'Archive a project: its keys are revoked, its ledger rows stay',
  request: { params: idParam },
  responses: { 204: nothing },
})

/** @param api where the routes are added */
export function tenancyRoutes(api: Api, { tenancy, limits }: HttpOptions): void {
  const { tenants, projects } = tenancy

  api.openapi(listTenants, async (c) => {
    const ids = c.get('access').tenantIds
    const page = await tenants.list(pageFrom(c.req.valid('query'), limits), ids ?? undefined)
    return c.json(mapPage(page, tenantView), 200)
  })
  api.openapi(createTenant, async (c) => {
    const created = await tenants.create(c.req.valid('json'), c.get('access').actor)
    return c.json(tenantView(created), 201)
  })
  api.openapi(readTenant, async (c) => {
    const { id } = c.req.valid('param')
    checkReach(c.get('access'), id, 'tenant', id)
    return c.json(tenantView(await tenants.get(id)), 200)
  })
  api.openapi(changeTenant, async (c) => {
    const { id } = c.req.valid('param')
    const changed = await tenants.change(id, c.req.valid('json'), c.get('access').actor)
    return c.json(tenantView(changed), 200)
  })
  api.openapi(archiveTenant, async (c) => {
    await tenants.archive(c.req.valid('param').id, c.get('access').actor)
    return c.body(null, 204)
  })
  api.openapi(listProjects, async (c) => {
    const { id } = c.req.valid('param')
    checkReach(c.get('access'), id, 'tenant', id)
    await tenants.get(id)
    const page = await projects.list(id, pageFrom(c.req.valid('query'), limits))
    return c.json(mapPage(page, projectView), 200)
  })
  projectRoutes(api, { tenancy })
}

function projectRoutes(api: Api, { tenancy }: Pick<HttpOptions, 'tenancy'>): void {
  const { projects } = tenancy
  api.openapi(createProject, async (c) => {
    const { id } = c.req.valid('param')
    const created = await projects.create(id, c.req.valid('json'), c.get('access').actor)
    return c.json(projectView(created), 201)
  })
  api.openapi(changeProject, async (c) => {
    const { id } = c.req.valid('param')
    const changed = await projects.change(id, c.req.valid('json'), c.get('access').actor)
    return c.json(projectView(changed), 200)
  })
  api.openapi(archiveProject, async (c) => {
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
