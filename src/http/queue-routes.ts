/** The queue for people: own requests with position and reason, everybody else's as one total. */
import { createRoute } from '@hono/zod-openapi'
import { type Api, answer, needs, schemas } from './api.ts'
import { queueView } from './queue-view.ts'
import type { HttpOptions } from './services.ts'

/** @param api where the routes are added */
export function queueRoutes(api: Api, options: HttpOptions): void {
  api.openapi(
    createRoute({
      ...needs('queue:read'),
      tags: ['queue'],
      method: 'get',
      path: '/api/queue',
      summary: 'Who waits, at which position and why',
      responses: { 200: answer('The queue.', schemas.queue) },
    }),
    (c) => {
      const { tenantIds, permissions } = c.get('access')
      const own = tenantIds ?? (permissions.has('floor:others') ? null : [])
      return c.json(queueView(options, own), 200)
    },
  )
}
