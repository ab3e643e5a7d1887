/** SCIM 2.0 (RFC 7643, 7644): how a directory provisions people and groups. */
import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { checked, GristmillError } from '../base/index.ts'
import { type Api, type ApiEnvironment, idParam, needs } from './api.ts'
import type { ScimGroups } from './scim-groups.ts'
import type { ScimPage } from './scim-lists.ts'
import { type Filter, parseFilter, patched, patchInput, type Resource } from './scim-patch.ts'
import {
  groupFrom,
  groupResource,
  listResponse,
  resourceTypes,
  SCIM_ROOT,
  SCIM_TYPE,
  scimSchemas,
  serviceProviderConfig,
  userFrom,
  userResource,
} from './scim-shapes.ts'
import type { ScimUsers } from './scim-users.ts'
import type { HttpOptions } from './services.ts'

export interface ScimParts {
  scimUsers: ScimUsers
  scimGroups: ScimGroups
  /** Address of the console, without a slash at its end. */
  url: () => string
}

const anything = z.looseObject({})
const scimBody = <Schema extends z.ZodType>(schema: Schema) =>
  ({ content: { [SCIM_TYPE]: { schema } }, required: true }) as const
const scimAnswer = { description: 'As it is.', content: { [SCIM_TYPE]: { schema: anything } } }
const query = z.object({
  filter: z.string().max(1000).optional(),
  startIndex: z.coerce.number().int().optional(),
  count: z.coerce.number().int().optional(),
  excludedAttributes: z.string().max(500).optional(),
})

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete'

function route(method: Method, path: string, summary: string, request: object, status: number) {
  const answer = status === 204 ? { description: 'Done; the answer is empty.' } : scimAnswer
  return createRoute({
    ...needs('directory:write'),
    tags: ['scim'],
    method,
    path: SCIM_ROOT + path,
    summary,
    request,
    responses: { [status]: answer },
  })
}

/** What users and groups have in common: how each is read, written and shown. */
interface Kind<Row extends { id: string }, Input> {
  path: string
  /** What they are called in summaries. */
  what: string
  store: {
    list(filter: Filter | null, page: { startIndex: number; count: number }): Promise<ScimPage<Row>>
    get(id: string): Promise<Row>
    create(input: Input, actor: { name: string; from: string }): Promise<Row>
    replace(id: string, input: Input, actor: { name: string; from: string }): Promise<Row>
    remove(id: string, actor: { name: string; from: string }): Promise<void>
  }
  from: (resource: Resource) => Input
  show: (row: Row, excluded: string) => Resource
}

/** @param api where the routes are added */
export function scimRoutes(api: Api, options: HttpOptions, parts: ScimParts): void {
  const root = () => parts.url() + SCIM_ROOT
  const pageMax = options.limits.pageRowsMax
  kindRoutes(api, pageMax, {
    path: '/Users',
    what: 'user',
    store: parts.scimUsers,
    from: userFrom,
    show: (user) => userResource(user, root()),
  })
  kindRoutes(api, pageMax, {
    path: '/Groups',
    what: 'group',
    store: parts.scimGroups,
    from: groupFrom,
    show: (group, excluded) => groupResource(group, root(), !/\bmembers\b/.test(excluded)),
  })
  const about: [string, () => Resource][] = [
    ['/ServiceProviderConfig', () => serviceProviderConfig(root(), pageMax)],
    ['/ResourceTypes', () => listed(resourceTypes(root()))],
    ['/Schemas', () => listed(scimSchemas(root()))],
  ]
  for (const [path, describe] of about) {
    const described = route('get', path, 'What the service can do', {}, 200)
    api.openapi(described, (c) => send(c, describe(), 200))
  }
}

const listed = (resources: Resource[]) => listResponse(resources, resources.length, 1)

function kindRoutes<Row extends { id: string }, Input>(
  api: Api,
  pageMax: number,
  { path, what, store, from, show }: Kind<Row, Input>,
): void {
  const one = { params: idParam }
  api.openapi(route('get', path, `Each ${what} of the directory`, { query }, 200), async (c) => {
    const { filter, excludedAttributes = '', ...asked } = checked(query, c.req.query())
    const startIndex = Math.max(1, asked.startIndex ?? 1)
    const count = Math.min(pageMax, Math.max(0, asked.count ?? pageMax))
    const parsed = filter === undefined ? null : parseFilter(filter)
    const { rows, total } = await store.list(parsed, { startIndex, count })
    const resources = rows.map((row) => show(row, excludedAttributes))
    return send(c, listResponse(resources, total, startIndex), 200)
  })
  const body = scimBody(anything)
  api.openapi(route('post', path, `Provision a ${what}`, { body }, 201), async (c) => {
    const made = await store.create(from(await bodyOf(c)), c.get('access').actor)
    return sendOne(c, show(made, ''), 201)
  })
  const named = `${path}/{id}`
  api.openapi(route('get', named, `One ${what}`, { ...one, query }, 200), async (c) => {
    const excluded = c.req.query('excludedAttributes') ?? ''
    return sendOne(c, show(await store.get(idOf(c)), excluded), 200)
  })
  api.openapi(route('put', named, `Put a ${what} in place`, { ...one, body }, 200), async (c) => {
    const input = from(await bodyOf(c))
    return sendOne(c, show(await store.replace(idOf(c), input, c.get('access').actor), ''), 200)
  })
  const patch = { ...one, body: scimBody(patchInput) }
  api.openapi(route('patch', named, `Change a ${what}`, patch, 200), async (c) => {
    const { Operations } = checked(patchInput, await bodyOf(c))
    const before = show(await store.get(idOf(c)), '')
    const input = from(patched(before, Operations))
    return sendOne(c, show(await store.replace(idOf(c), input, c.get('access').actor), ''), 200)
  })
  api.openapi(route('delete', named, `Remove a ${what}`, one, 204), async (c) => {
    await store.remove(idOf(c), c.get('access').actor)
    return c.body(null, 204)
  })
}

type AnyContext = Context<ApiEnvironment>

const idOf = (c: AnyContext) => c.req.param('id') ?? ''

/** @throws GristmillError `invalid_json` */
async function bodyOf(c: AnyContext): Promise<Resource> {
  try {
    return await c.req.json<Resource>()
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'it cannot be read'
    throw new GristmillError('invalid_json', { reason }, { cause })
  }
}

const send = (c: AnyContext, body: Resource, status: 200 | 201) =>
  c.body(JSON.stringify(body), status, { 'content-type': SCIM_TYPE })

function sendOne(c: AnyContext, resource: Resource, status: 200 | 201) {
  const { location } = resource.meta as { location: string }
  c.header('location', location)
  return send(c, resource, status)
}
