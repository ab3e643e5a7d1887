/** The route of costs over time: by month, and what the running month will come to. */
import { createRoute, z } from '@hono/zod-openapi'
import { decimalOf } from '../base/index.ts'
import { costDays, costForecast, costMonths, monthOf } from '../meter/index.ts'
import { type Api, answer, needs } from './api.ts'
import type * as contract from './contract.ts'
import type { HttpOptions } from './services.ts'

const MONTHS_MAX = 36
const WEEKS_MS = 8 * 7 * 86_400_000

const time = z.iso.datetime()

const costTrend = z
  .object({
    months: z.array(
      z.object({ fromAt: time, used: z.string(), idle: z.string(), rented: z.string() }),
    ),
    forecast: z.object({
      fromAt: time,
      toAt: time,
      soFar: z.string(),
      days: z.number().int(),
      month: z.object({ expected: z.string(), low: z.string(), high: z.string() }).nullable(),
    }),
  })
  .openapi('CostTrend') satisfies z.ZodType<contract.CostTrendView>

const readTrend = createRoute({
  ...needs('costs:read'),
  tags: ['costs'],
  method: 'get',
  path: '/api/costs',
  summary: 'What engines and rented services cost by month, and will in the running one',
  request: {
    query: z.object({
      months: z.coerce.number().int().min(1).max(MONTHS_MAX).default(12).openapi({
        description: 'So many, with the running one.',
      }),
    }),
  },
  responses: { 200: answer('Months and forecast.', costTrend) },
})

/** @param api where the route is added */
export function costTrendRoutes(api: Api, { database, clock }: HttpOptions): void {
  api.openapi(readTrend, async (c) => {
    const { months } = c.req.valid('query')
    const nowMs = clock.nowMs()
    const shownMs = monthOf(nowMs, 1 - months)
    const sinceMs = Math.min(shownMs, dayOf(nowMs - WEEKS_MS))
    const tenantIds = c.get('access').tenantIds ?? undefined
    const days = await costDays(database.sql, sinceMs, nowMs, tenantIds)
    const shown = costMonths(days.filter(({ atMs }) => atMs >= shownMs))
    const { fromMs, toMs, soFar, days: counted, month } = costForecast(days, nowMs)
    const forecast = {
      fromAt: new Date(fromMs).toISOString(),
      toAt: new Date(toMs).toISOString(),
      soFar: decimalOf(soFar),
      days: counted,
      month: month && {
        expected: rounded(month.expected),
        low: rounded(month.low),
        high: rounded(month.high),
      },
    }
    const views = shown.map(({ fromMs: atMs, used, idle, rented }) => ({
      fromAt: new Date(atMs).toISOString(),
      used: decimalOf(used),
      idle: decimalOf(idle),
      rented: decimalOf(rented),
    }))
    return c.json({ months: views, forecast }, 200)
  })
}

const dayOf = (ms: number) => ms - (ms % 86_400_000)
const rounded = (nanos: number) => decimalOf(BigInt(Math.round(nanos)))
