/** Routes for the list prices of closed services. */
import { createRoute, z } from '@hono/zod-openapi'
import { listPrices, listPricesInput, readListPrices, replaceListPrices } from '../meter/index.ts'
import { type Api, answer, body, checkUnbound, needs } from './api.ts'
import type * as contract from './contract.ts'
import type { HttpOptions } from './services.ts'

const path = '/api/list-prices'
const tags = ['prices']

const listPrice = z
  .object({
    provider: z.string(),
    model: z.string(),
    currency: z.string(),
    input: z.string(),
    cachedInput: z.string().nullable(),
    cacheWrite: z.string().nullable(),
    output: z.string(),
    asOf: z.iso.date(),
    source: z.string(),
    via: z.string().nullable(),
    note: z.string().nullable(),
    ageDays: z.number().int(),
    isOutdated: z.boolean(),
  })
  .openapi('ListPrice') satisfies z.ZodType<contract.ListPriceView>

const listPriceList = z
  .object({
    version: z.number().int().nullable(),
    prices: z.array(listPrice),
    note: z.string(),
    actor: z.string().nullable(),
    at: z.iso.datetime().nullable(),
    daysMax: z.number().int(),
    outdated: z.number().int(),
  })
  .openapi('ListPriceList') satisfies z.ZodType<contract.ListPriceListView>

const readList = createRoute({
  ...needs('prices:read'),
  tags,
  method: 'get',
  path,
  summary: 'What closed services charge by their price pages, and how old that is',
  responses: { 200: answer('The list that holds.', listPriceList) },
})

const replaceList = createRoute({
  ...needs('costs:write'),
  tags,
  method: 'put',
  path,
  summary: 'Put another list in its place, or with `null` the one that comes with the program',
  request: {
    body: body(
      z.strictObject({
        prices: listPricesInput.nullable(),
        note: z.string().max(200).default(''),
      }),
    ),
  },
  responses: { 200: answer('The list that holds now.', listPriceList) },
})

/** @param api where the routes are added */
export function listPriceRoutes(api: Api, options: HttpOptions): void {
  const { database, tenancy, clock, limits } = options
  const view = async (): Promise<contract.ListPriceListView> => {
    const { prices, atMs, ...head } = await readListPrices(database.sql)
    const daysMax = limits.listPriceDaysMax
    const aged = listPrices(prices, clock.nowMs(), daysMax)
    return {
      ...head,
      at: atMs === null ? null : new Date(atMs).toISOString(),
      daysMax,
      outdated: aged.filter(({ isOutdated }) => isOutdated).length,
      prices: aged.map(({ rates: _rates, ...price }) => ({
        ...price,
        cachedInput: price.cachedInput ?? null,
        cacheWrite: price.cacheWrite ?? null,
        via: price.via ?? null,
        note: price.note ?? null,
      })),
    }
  }
  api.openapi(readList, async (c) => c.json(await view(), 200))
  api.openapi(replaceList, async (c) => {
    checkUnbound(c.get('access'), 'replace list prices, which are for all tenants')
    const parts = { database, audit: tenancy.audit, clock }
    await replaceListPrices(parts, c.req.valid('json'), c.get('access').actor)
    return c.json(await view(), 200)
  })
}
