/** The route for what is kept how long, how much there is of it, and what goes next. */
import { createRoute, z } from '@hono/zod-openapi'
import { decimalOf } from '../base/index.ts'
import type { DroppedMonth, KeptMonth, RetentionStanding } from '../meter/index.ts'
import { readTableSizes, type TableSize } from '../store/index.ts'
import { type Api, answer, checkUnbound, needs } from './api.ts'
import type * as contract from './contract.ts'
import { type KeptKind, keptKinds } from './retention-kinds.ts'
import type { HttpOptions } from './services.ts'

const time = z.iso.datetime()
const size = { requests: z.number().int(), isEstimate: z.boolean() }

const keptMonth = z
  .object({ fromAt: time.nullable(), untilAt: time, ...size, bytes: z.number(), dueAt: time })
  .openapi('KeptMonth') satisfies z.ZodType<contract.KeptMonthView>

const droppedMonth = z
  .object({
    untilAt: time,
    requests: z.number().int(),
    inputTokens: z.number().int(),
    outputTokens: z.number().int(),
    spend: z.string(),
    charge: z.string(),
    at: time,
  })
  .openapi('DroppedMonth') satisfies z.ZodType<contract.DroppedMonthView>

const keptKind = z
  .object({
    kind: z.string(),
    name: z.string(),
    what: z.string(),
    keptFor: z
      .object({
        amount: z.number(),
        unit: z.enum(['months', 'days', 'hours', 'seconds']),
        after: z.string(),
      })
      .nullable(),
    byTenant: z
      .object({ tenants: z.number().int(), daysMin: z.number(), daysMax: z.number() })
      .nullable(),
    setting: z.string().nullable(),
    size: z
      .object({ rows: z.number().int(), isEstimate: z.boolean(), bytes: z.number() })
      .nullable(),
  })
  .openapi('KeptKind') satisfies z.ZodType<contract.KeptKindView>

const retention = z
  .object({
    currency: z.string(),
    requests: z.object({
      months: z.number().int(),
      kept: z.array(keptMonth),
      next: z.object({ dueAt: time, keptBy: z.string().nullable() }).nullable(),
      lookedAt: time.nullable(),
      dropped: z.array(droppedMonth),
    }),
    kinds: z.array(keptKind),
  })
  .openapi('Retention') satisfies z.ZodType<contract.RetentionView>

const read = createRoute({
  ...needs('costs:read'),
  tags: ['ledger'],
  method: 'get',
  path: '/api/retention',
  summary: 'What is kept how long, how much there is of it, what goes next and what went',
  responses: { 200: answer('As it is now.', retention) },
})

/** @param api where the route is added */
export function retentionRoutes(api: Api, options: HttpOptions): void {
  const { prices } = options
  api.openapi(read, async (c) => {
    checkUnbound(c.get('access'), 'see what is kept, which is of all tenants')
    const standing = await options.retention.standing()
    const requests = requestsView(standing, options)
    const kinds = await readKinds(options, standing)
    return c.json({ currency: prices.currency, requests, kinds }, 200)
  })
}

function requestsView(
  { months, kept, unclosed, looked, dropped }: RetentionStanding,
  { clock, tenancy }: HttpOptions,
): contract.RetentionView['requests'] {
  const [oldest] = kept
  const tell = () => {
    const isDue = oldest !== undefined && oldest.dueMs <= clock.nowMs()
    if (isDue && looked?.reason) return `${looked.reason}.`
    if (unclosed === null) return null
    const name = tenancy.labels().get(unclosed.tenantId)?.name ?? unclosed.tenantId
    return `No statement of ${name} has the hour from ${iso(unclosed.hour).slice(0, 16).replace('T', ' ')} UTC on.`
  }
  return {
    months,
    kept: kept.map(keptView),
    next: oldest === undefined ? null : { dueAt: iso(oldest.dueMs), keptBy: tell() },
    lookedAt: looked === null ? null : iso(looked.atMs),
    dropped: dropped.map(droppedView),
  }
}

const iso = (at: number | Date) => new Date(at).toISOString()

const keptView = ({ fromMs, untilMs, dueMs, ...sizes }: KeptMonth): contract.KeptMonthView => ({
  fromAt: fromMs === null ? null : iso(fromMs),
  untilAt: iso(untilMs),
  ...sizes,
  dueAt: iso(dueMs),
})

function droppedView(row: DroppedMonth): contract.DroppedMonthView {
  const { untilMs, requests, inputTokens, outputTokens, spendNanos, chargeNanos, at } = row
  return {
    untilAt: iso(untilMs),
    ...{ requests, inputTokens, outputTokens },
    spend: decimalOf(BigInt(spendNanos)),
    charge: decimalOf(BigInt(chargeNanos)),
    at: iso(at),
  }
}

async function readKinds(
  { database, limits, tenancy }: HttpOptions,
  { kept }: RetentionStanding,
): Promise<contract.KeptKindView[]> {
  const kinds = keptKinds(limits)
  const sizes = await readTableSizes(
    database.sql,
    kinds.flatMap(({ tables }) => tables),
  )
  const days = await responseDays(tenancy)
  return kinds.map(({ tables, isByTenant, ...kind }) => {
    const found = sizeOf(tables, sizes)
    const size = kind.kind === 'requests' && found !== null ? withMonths(found, kept) : found
    return { ...kind, byTenant: isByTenant ? days : null, size }
  })
}

function sizeOf(tables: KeptKind['tables'], sizes: ReadonlyMap<string, TableSize>) {
  const [first] = tables
  const head = first === undefined ? undefined : sizes.get(first)
  if (head === undefined) return null
  const bytes = tables.reduce((sum, table) => sum + (sizes.get(table)?.bytes ?? 0), 0)
  return { ...head, bytes }
}

function withMonths({ rows, bytes }: TableSize, kept: readonly KeptMonth[]): TableSize {
  return {
    rows: kept.reduce((sum, { requests }) => sum + requests, rows),
    bytes: kept.reduce((sum, month) => sum + month.bytes, bytes),
    isEstimate: kept.some(({ isEstimate }) => isEstimate),
  }
}

const TENANTS_PER_PAGE = 500

async function responseDays({ tenants }: HttpOptions['tenancy']) {
  const days: number[] = []
  let cursor: string | undefined
  do {
    const limit = TENANTS_PER_PAGE
    const page = await tenants.list(cursor === undefined ? { limit } : { limit, cursor })
    days.push(...page.rows.map(({ responseDays }) => responseDays).filter((count) => count > 0))
    cursor = page.next ?? undefined
  } while (cursor !== undefined)
  if (days.length === 0) return { tenants: 0, daysMin: 0, daysMax: 0 }
  return { tenants: days.length, daysMin: Math.min(...days), daysMax: Math.max(...days) }
}
