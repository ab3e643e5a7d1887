/** The route for use as events, for systems that meter and bill. */
import { createRoute, z } from '@hono/zod-openapi'
import { serviceClasses } from '../base/index.ts'
import { settledPage, settledPages } from '../meter/index.ts'
import { type Api, needs, pageFrom, pageQuery, tenantsInReach } from './api.ts'
import type * as contract from './contract.ts'
import { exporter } from './export-stream.ts'
import type { HttpOptions } from './services.ts'
import { usageEvent } from './usage-events.ts'

const DAY_MS = 86_400_000
const BATCH = 'application/cloudevents-batch+json'
const LINES = 'application/x-ndjson'

const time = z.iso.datetime({ offset: true })
const count = z.number().int()
const nanos = z.string().openapi({ description: 'Billionths of the currency.' })

const usageEventSchema = z
  .object({
    specversion: z.literal('1.0'),
    id: z.string().openapi({ description: 'Of the request; with `source` it tells doubles.' }),
    source: z.string(),
    type: z.string(),
    subject: z.string().openapi({ description: 'The tenant.' }),
    time: z.iso.datetime().openapi({ description: 'When the request was settled.' }),
    datacontenttype: z.string(),
    data: z.object({
      project: z.string(),
      model: z.string().openapi({ description: 'The name asked for, of a model or a route.' }),
      class: z.enum(serviceClasses),
      engine: z.string().nullable(),
      rentedTarget: z.string().nullable(),
      outcome: z.string(),
      end: z.string(),
      isEstimated: z.boolean(),
      inputTokens: count,
      cachedInputTokens: count,
      outputTokens: count,
      reasoningTokens: count,
      isCacheHit: z.boolean(),
      hitInputTokens: count,
      hitOutputTokens: count,
      engineMs: count,
      queueMs: count,
      chargeNanos: nanos,
      isPriced: z.boolean(),
      spendNanos: nanos,
      currency: z.string(),
    }),
  })
  .openapi('UsageEvent') satisfies z.ZodType<contract.UsageEventView>

const exportEvents = createRoute({
  ...needs('usage:export'),
  tags: ['usage'],
  method: 'get',
  path: '/api/usage/events',
  summary: 'Each settled request as a CloudEvent, in the order in which they were settled',
  request: {
    query: z.object({
      from: time.optional().openapi({ description: 'A day ago where absent.' }),
      to: time.optional().openapi({ description: 'Whatever comes where absent.' }),
      tenant: z.string().max(100).optional(),
      format: z.enum(['batch', 'ndjson']).default('batch').openapi({
        description: 'A page as a JSON batch, or all that is there, an event a line.',
      }),
      ...pageQuery,
    }),
  },
  responses: {
    200: {
      description: 'Events. Of a batch the header `Link` names the next page (`rel="next"`).',
      content: {
        [BATCH]: { schema: z.array(usageEventSchema) },
        [LINES]: { schema: z.string() },
      },
    },
  },
})

/** @param api where the route is added */
export function usageEventRoutes(api: Api, options: HttpOptions): void {
  const { database, clock, limits, prices } = options
  const exported = exporter(options)
  const { currency } = prices
  api.openapi(exportEvents, async (c) => {
    const query = c.req.valid('query')
    const filter = {
      fromMs: query.from === undefined ? clock.nowMs() - DAY_MS : Date.parse(query.from),
      toMs: query.to === undefined ? undefined : Date.parse(query.to),
      tenantIds: tenantsInReach(c.get('access'), query.tenant) ?? undefined,
    }
    const page = pageFrom(query, limits)
    if (query.format === 'ndjson') {
      const from = { cursor: page.cursor, nowMs: clock.nowMs() }
      const lines = linesOf(settledPages(database.sql, filter, from))
      return c.body(exported(lines), 200, { 'content-type': LINES }) as never
    }
    const found = await settledPage(database.sql, filter, { ...page, nowMs: clock.nowMs() })
    const events = found.rows.map((row) => usageEvent(row, currency))
    const headers = { 'content-type': BATCH, ...(found.next && link(c.req.url, found.next)) }
    return c.body(JSON.stringify(events), 200, headers) as never
  })

  async function* linesOf(pages: ReturnType<typeof settledPages>) {
    for await (const rows of pages) {
      yield rows.map((row) => `${JSON.stringify(usageEvent(row, currency))}\n`).join('')
    }
  }
}

/** Without the host, which a proxy may have named otherwise. */
function link(address: string, cursor: string) {
  const { pathname, searchParams } = new URL(address)
  searchParams.set('cursor', cursor)
  return { link: `<${pathname}?${searchParams.toString()}>; rel="next"` }
}
