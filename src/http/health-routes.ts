/** Liveness, readiness with its reasons, and metrics. */
import { createRoute, z } from '@hono/zod-openapi'
import { type Api, answer, needs } from './api.ts'
import type { ClientAddress } from './client-address.ts'
import type { HttpOptions } from './services.ts'

const tags = ['health']
const status = z
  .object({
    status: z.enum(['ok', 'not_ready']),
    version: z.string(),
    reasons: z.array(z.string()),
  })
  .openapi('Health')

/** @param api where the routes are added */
export function healthRoutes(api: Api, options: HttpOptions, address: ClientAddress): void {
  api.openapi(
    createRoute({
      ...needs('public'),
      tags,
      method: 'get',
      path: '/livez',
      summary: 'The process runs',
      responses: { 200: { description: 'ok', content: { 'text/plain': { schema: z.string() } } } },
    }),
    (c) => c.text('ok', 200),
  )
  for (const path of ['/health', '/readyz']) {
    api.openapi(
      createRoute({
        ...needs('public'),
        tags,
        method: 'get',
        path,
        summary: 'Whether requests are served, and why not',
        responses: { 200: answer('Ready.', status), 503: answer('Not ready.', status) },
      }),
      (c) => {
        const { ready, reasons } = options.readiness()
        const { version } = options
        if (ready) return c.json({ status: 'ok' as const, version, reasons }, 200)
        return c.json({ status: 'not_ready' as const, version, reasons }, 503)
      },
    )
  }
  api.openapi(
    createRoute({
      ...needs('public'),
      'x-permission': 'metrics:read or a connection from this machine',
      tags,
      method: 'get',
      path: '/metrics',
      summary: 'Metrics in the format of Prometheus',
      responses: {
        200: { description: 'Metrics.', content: { 'text/plain': { schema: z.string() } } },
      },
    }),
    async (c) => {
      const { incoming } = c.env
      if (!address.isLocal(incoming)) await c.get('identity').require(incoming, 'metrics:read')
      const headers = { 'content-type': options.registry.contentType }
      return c.text(await options.registry.metrics(), 200, headers)
    },
  )
}
