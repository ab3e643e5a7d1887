/** Routes of the admin API for prices: the book, list prices, discounts. */
import { createRoute, z } from '@hono/zod-openapi'
import { decimalOf } from '../base/index.ts'
import { type Price, priceInput, type Rates } from '../meter/index.ts'
import { type Api, answer, body, needs } from './api.ts'
import type * as contract from './contract.ts'
import { discountRoutes } from './discount-routes.ts'
import { listPriceRoutes } from './list-price-routes.ts'
import { serviceClass } from './schemas.ts'
import type { HttpOptions } from './services.ts'

const tags = ['prices']
const PRICES_MAX = 1000

const rates = z.object({
  input: z.string(),
  cachedInput: z.string(),
  cacheWrite: z.string(),
  output: z.string(),
  reasoning: z.string(),
  embedding: z.string(),
  request: z.string(),
  engineSecond: z.string(),
  hitShare: z.string(),
}) satisfies z.ZodType<contract.RatesView>

const price = z
  .object({
    version: z.number().int(),
    model: z.string(),
    serviceClass: serviceClass.nullable(),
    plan: z.string().nullable(),
    effectiveAt: z.iso.datetime(),
    state: z.enum(['past', 'holds', 'coming']),
    rates: rates.nullable(),
    note: z.string(),
    actor: z.string(),
    at: z.iso.datetime(),
  })
  .openapi('Price') satisfies z.ZodType<contract.PriceView>

const priceBook = z
  .object({ currency: z.string(), prices: z.array(price) })
  .openapi('PriceBook') satisfies z.ZodType<contract.PriceBookView>

const readPrices = createRoute({
  ...needs('prices:read'),
  tags,
  method: 'get',
  path: '/api/prices',
  summary: 'All prices there have been and will be; tokens by the million',
  responses: { 200: answer('The price book.', priceBook) },
})

const addPrices = createRoute({
  ...needs('prices:write'),
  tags,
  method: 'post',
  path: '/api/prices',
  summary: 'Add prices, or their ends; those that hold already are left out',
  request: {
    body: body(
      z.strictObject({
        prices: z.array(priceInput).min(1).max(PRICES_MAX),
        note: z.string().max(200).default(''),
      }),
    ),
  },
  responses: { 200: answer('Those that were added.', z.object({ added: z.array(price) })) },
})

/** @param api where the routes are added, all that are about prices */
export function priceRoutes(api: Api, options: HttpOptions): void {
  const { prices, clock } = options
  listPriceRoutes(api, options)
  discountRoutes(api, options)
  api.openapi(readPrices, (c) => {
    const views = viewsOf(prices.prices, clock.nowMs())
    return c.json({ currency: prices.currency, prices: views }, 200)
  })
  api.openapi(addPrices, async (c) => {
    const added = await prices.add(c.req.valid('json'), c.get('access').actor)
    return c.json({ added: viewsOf(added, clock.nowMs()) }, 200)
  })
}

/** @param prices in the order in which they take effect */
function viewsOf(prices: readonly Price[], nowMs: number): contract.PriceView[] {
  const holding = new Map<string, Price>()
  for (const one of prices) if (one.effectiveAtMs <= nowMs) holding.set(scopeOf(one), one)
  return prices.map((one) => ({
    version: one.version,
    model: one.model,
    serviceClass: one.serviceClass,
    plan: one.plan,
    effectiveAt: new Date(one.effectiveAtMs).toISOString(),
    state:
      one.effectiveAtMs > nowMs ? 'coming' : holding.get(scopeOf(one)) === one ? 'holds' : 'past',
    rates: one.rates && ratesView(one.rates),
    note: one.note,
    actor: one.actor,
    at: new Date(one.atMs).toISOString(),
  }))
}

const scopeOf = ({ model, serviceClass, plan }: Price) => [model, serviceClass, plan].join('\n')

function ratesView(given: Rates): contract.RatesView {
  return {
    input: decimalOf(given.input),
    cachedInput: decimalOf(given.cachedInput),
    cacheWrite: decimalOf(given.cacheWrite),
    output: decimalOf(given.output),
    reasoning: decimalOf(given.reasoning),
    embedding: decimalOf(given.embedding),
    request: decimalOf(given.request),
    engineSecond: decimalOf(given.engineSecond),
    hitShare: decimalOf(given.hitMillionths * 1000n),
  }
}
