/**
 * The two routes under `/api` that stream: the live mill floor and the playground. They work on
 * the plain response, because bytes that go through the gateway must not be handled twice.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from '@hono/zod-openapi'
import { checked, GristmillError, newId } from '../base/index.ts'
import type { Access, Identity } from './access.ts'
import { type Api, checkReach } from './api.ts'
import type { Audience, LiveFeed } from './live-feed.ts'
import { sendError, visibleError } from './responses.ts'
import { securityHeaders } from './security-headers.ts'
import type { HttpOptions } from './services.ts'

export const LIVE_PATH = '/api/live'
export const PLAYGROUND_PATH = '/api/playground/chat'

const playgroundQuery = z.strictObject({
  tenant: z.string().min(1).max(100),
  project: z.string().min(1).max(100).optional(),
})

type Route = (request: IncomingMessage, response: ServerResponse, id: string) => Promise<void>

/**
 * @returns the handler for a path, undefined for every other path
 * @param feed who watches the floor
 */
export function streamRoutes(options: HttpOptions, identity: Identity, feed: LiveFeed) {
  const routes = new Map<string, { method: string; route: Route }>([
    [LIVE_PATH, { method: 'GET', route: live(identity, feed) }],
    [PLAYGROUND_PATH, { method: 'POST', route: playground(options, identity) }],
  ])
  return (path: string) => {
    const found = routes.get(path)
    if (!found) return undefined
    return (request: IncomingMessage, response: ServerResponse): void => {
      const requestId = newId('req', options.clock, options.random)
      for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value)
      const { method = '' } = request
      if (method !== found.method) {
        const details = { method, path, allowed: found.method }
        const error = new GristmillError('method_not_allowed', details)
        sendError(response, error, requestId, { allow: found.method })
        return
      }
      found.route(request, response, requestId).catch((error: unknown) => {
        sendError(response, visibleError(error, options.logger, requestId), requestId)
      })
    }
  }
}

function live(identity: Identity, feed: LiveFeed): Route {
  return async (request, response) => {
    const audience = audienceOf(await identity.require(request, 'floor:read'))
    feed.add(response, audience, async () => {
      try {
        return audienceOf(await identity.require(request, 'floor:read'))
      } catch (error) {
        if (error instanceof GristmillError && error.status < 500) return null
        throw error
      }
    })
  }
}

function audienceOf({ tenantIds, permissions }: Access): Audience {
  if (tenantIds !== null) return tenantIds
  return permissions.has('floor:others') ? 'everything' : []
}

function playground({ gateway, tenancy }: HttpOptions, identity: Identity): Route {
  return async (request, response, requestId) => {
    const access = await identity.require(request, 'playground:use')
    const { searchParams } = new URL(request.url ?? '', 'http://localhost')
    const { tenant, project } = checked(playgroundQuery, Object.fromEntries(searchParams))
    checkReach(access, tenant, 'tenant', tenant)
    const principal = await tenancy.principalFor(tenant, project)
    // To the gateway it is a call like any other.
    request.url = '/v1/chat/completions'
    await gateway.handle(request, response, principal, requestId)
  }
}

/** Puts the two into the OpenAPI document. */
export function documentStreams(api: Api): void {
  const security = [{ key: [] }, { session: [] }]
  const stream = { content: { 'text/event-stream': { schema: z.string() } } }
  api.openAPIRegistry.registerPath({
    'x-permission': 'floor:read',
    security,
    tags: ['queue'],
    method: 'get',
    path: LIVE_PATH,
    summary: 'The mill floor, four server-sent events `floor` a second',
    responses: { 200: { description: 'Events until the connection is closed.', ...stream } },
  })
  api.openAPIRegistry.registerPath({
    'x-permission': 'playground:use',
    security,
    tags: ['playground'],
    method: 'post',
    path: PLAYGROUND_PATH,
    summary: 'A chat completion as a tenant, without a key of it',
    request: {
      query: playgroundQuery,
      body: { content: { 'application/json': { schema: z.looseObject({}) } } },
    },
    responses: { 200: { description: 'As /v1/chat/completions answers.', ...stream } },
  })
}
