/** The route for statements as FOCUS, for tools of finance. */
import { createRoute, z } from '@hono/zod-openapi'
import { standingPages } from '../meter/index.ts'
import { type Api, needs } from './api.ts'
import { exporter } from './export-stream.ts'
import { focusCsv, focusParquet } from './focus-export.ts'
import { wholeMinute } from './schemas.ts'
import type { HttpOptions } from './services.ts'
import { focusVersions } from './statement-focus.ts'
import { statementDetailView } from './statement-view.ts'

const PARQUET = 'application/vnd.apache.parquet'

const exportFocus = createRoute({
  ...needs('statements:read'),
  tags: ['ledger'],
  method: 'get',
  path: '/api/ledger/focus',
  summary: 'The statements of a time that stand, as FOCUS in CSV or Parquet',
  request: {
    query: z.object({
      from: wholeMinute,
      to: wholeMinute,
      version: z.enum(focusVersions).default('1.3'),
      format: z.enum(['csv', 'parquet']).default('csv'),
    }),
  },
  responses: {
    200: {
      description: 'A row a line.',
      content: {
        'text/csv': { schema: z.string() },
        [PARQUET]: { schema: z.string().openapi({ format: 'binary' }) },
      },
    },
  },
})

/** @param api where the route is added */
export function focusRoutes(api: Api, options: HttpOptions): void {
  const exported = exporter(options)
  api.openapi(exportFocus, async (c) => {
    const { from, to, version, format } = c.req.valid('query')
    const pages = views({
      fromMs: Date.parse(from),
      toMs: Date.parse(to),
      tenantIds: c.get('access').tenantIds ?? undefined,
    })
    const pieces = format === 'csv' ? focusCsv(pages, version) : focusParquet(pages, version)
    const headers = {
      'content-type': format === 'csv' ? 'text/csv; charset=utf-8' : PARQUET,
      'content-disposition': `attachment; filename="focus.${format}"`,
    }
    return c.body(exported(pieces), 200, headers) as never
  })

  async function* views(filter: Parameters<typeof standingPages>[1]) {
    for await (const page of standingPages(options.database.sql, filter)) {
      yield page.map(statementDetailView)
    }
  }
}
