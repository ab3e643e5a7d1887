/** The route for gateways that share a database. */
import { createRoute, z } from '@hono/zod-openapi'
import { type Api, answer, needs } from './api.ts'
import type * as contract from './contract.ts'
import type { HttpOptions } from './services.ts'

const gateway = z
  .object({
    id: z.string(),
    url: z.string(),
    host: z.string(),
    pid: z.number(),
    version: z.string(),
    startedAt: z.iso.datetime(),
    beatAgeMs: z.number(),
    state: z.enum(['scheduling', 'connected', 'not_connected', 'silent', 'alive']),
    reason: z.string(),
  })
  .openapi('ClusterGateway') satisfies z.ZodType<contract.ClusterGatewayView>

const takeover = z
  .object({
    token: z.number(),
    gatewayId: z.string(),
    at: z.iso.datetime(),
    idleMs: z.number(),
    running: z.number(),
    waiting: z.number(),
    held: z.number(),
  })
  .openapi('ClusterTakeover') satisfies z.ZodType<contract.ClusterTakeoverView>

const cluster = z
  .object({
    isShared: z.boolean(),
    answeredBy: z.string().nullable(),
    gateways: z.array(gateway),
    lease: z
      .object({
        gatewayId: z.string(),
        token: z.number(),
        sinceAt: z.iso.datetime(),
        leftMs: z.number(),
      })
      .nullable(),
    heldPlaces: z.number().nullable(),
    takeovers: z.array(takeover),
  })
  .openapi('Cluster') satisfies z.ZodType<contract.ClusterView>

const read = createRoute({
  ...needs('cluster:read'),
  tags: ['cluster'],
  method: 'get',
  path: '/api/cluster',
  summary: 'Gateways that share the database, who schedules, and who took over when',
  responses: { 200: answer('The cluster, as the gateway that answers sees it.', cluster) },
})

/** @param api where the route is added */
export function clusterRoutes(api: Api, { cluster: service }: HttpOptions): void {
  api.openapi(read, async (c) => c.json(await service.view(), 200))
}
