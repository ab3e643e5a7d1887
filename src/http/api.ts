/**
 * The frame of the admin API: how a route says what it needs and answers, how requests are
 * checked, and how errors look. Each room's routes are in a file of their own.
 */
import type { HttpBindings } from '@hono/node-server'
import { OpenAPIHono, z } from '@hono/zod-openapi'
import type { MiddlewareHandler } from 'hono'
import { GristmillError, invalidValue, type Limits } from '../base/index.ts'
import type { Page, PageRequest } from '../tenancy/index.ts'
import type { Access, Identity } from './access.ts'
import type { Permission } from './permissions.ts'
import * as schemas from './schemas.ts'

export interface ApiEnvironment {
  Bindings: HttpBindings
  Variables: {
    requestId: string
    identity: Identity
    /** Who asks; set on every route but the public ones. */
    access: Access
  }
}

export type Api = OpenAPIHono<ApiEnvironment>

export function newApi(): Api {
  return new OpenAPIHono<ApiEnvironment>({
    defaultHook: (result) => {
      if (!result.success) throw invalidValue(result.error)
    },
  })
}

/** `public` needs nothing, `signed-in` any person; the rest is in the table of permissions. */
export type Need = Permission | 'public' | 'signed-in'

/** The part of a route that says who may use it; checked before anything else runs. */
export function needs(need: Need) {
  const middleware: MiddlewareHandler<ApiEnvironment> = async (c, next) => {
    if (need !== 'public') c.set('access', await c.get('identity').require(c.env.incoming, need))
    await next()
  }
  const security = need === 'public' ? [] : [{ key: [] }, { session: [] }]
  return { 'x-permission': need, security, middleware }
}

/** A JSON body that a route takes. */
export function body<Schema extends z.ZodType>(schema: Schema) {
  return { content: { 'application/json': { schema } }, required: true } as const
}

/** A JSON body that a route answers with. */
export function answer<Schema extends z.ZodType>(description: string, schema: Schema) {
  return { description, content: { 'application/json': { schema } } } as const
}

/** What a route that answers nothing answers. */
export const nothing = { description: 'Done; the answer is empty.' } as const

export const pageOfSchema = <Schema extends z.ZodType>(row: Schema) =>
  z.object({ rows: z.array(row), next: z.string().nullable() })

/** Query parameters of every list. */
export const pageQuery = {
  limit: z.coerce.number().int().min(1).optional().openapi({ description: 'Rows at most.' }),
  cursor: z
    .string()
    .max(500)
    .optional()
    .openapi({ description: '`next` of the page before; the first page where absent.' }),
}

/** The page asked for, with no more rows than a page may have. */
export function pageFrom(
  query: { limit?: number | undefined; cursor?: string | undefined },
  limits: Limits,
): PageRequest {
  const limit = Math.min(query.limit ?? 100, limits.pageRowsMax)
  return query.cursor === undefined ? { limit } : { limit, cursor: query.cursor }
}

/** A page of other rows. */
export function mapPage<From, To>({ rows, next }: Page<From>, map: (row: From) => To): Page<To> {
  return { rows: rows.map(map), next }
}

export const idParam = z.object({ id: z.string().min(1).max(100) })

/** @throws GristmillError `not_found` where the tenant is out of reach, whether it exists or not */
export function checkReach(access: Access, tenantId: string, kind: string, id: string): void {
  if (access.tenantIds === null || access.tenantIds.includes(tenantId)) return
  throw new GristmillError('not_found', { kind, id })
}

/** The tenants a list is about: the one asked for, if it is within reach, else all in reach. */
export function tenantsInReach(access: Access, asked: string | undefined): string[] | null {
  if (asked === undefined) return access.tenantIds === null ? null : [...access.tenantIds]
  checkReach(access, asked, 'tenant', asked)
  return [asked]
}

/**
 * For what is of all tenants together.
 * @throws GristmillError `forbidden` where somebody is bound to some
 */
export function checkUnbound({ actor, tenantIds }: Access, action: string): void {
  if (tenantIds === null) return
  throw new GristmillError('forbidden', { actor: actor.name, action })
}

/**
 * Keys with the scope `admin` or `scim` work for all tenants, so whoever is bound to the one that
 * has them may not stop them.
 * @throws GristmillError `forbidden`
 */
export function checkEndOfAll({ actor, permissions }: Access): void {
  if (permissions.has('tenants:write')) return
  const action = 'stop keys with the scope admin or scim'
  throw new GristmillError('forbidden', { actor: actor.name, action })
}

/** An address that messages go to, as far as somebody may see it: its path may be a secret. */
export const addressFor = ({ permissions }: Access, url: string): string =>
  permissions.has('batches:write') ? url : new URL(url).origin

export { schemas }
