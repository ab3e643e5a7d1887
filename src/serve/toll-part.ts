/** What requests cost, put together: the price book, and what rented targets may cost a day. */
import type { Clock, Config, Logger } from '../base/index.ts'
import { DaySpend } from '../gateway/index.ts'
import { PriceBook, type PriceOf, spendSince } from '../meter/index.ts'
import type { RouteBook } from '../route/index.ts'
import type { Tenancy } from '../tenancy/index.ts'
import type { DatabasePart } from './database-part.ts'

export interface TollPart {
  prices: PriceBook
  allowances: DaySpend
  /** The price that held for a request that a crash left open. */
  priceOf: PriceOf
}

export interface TollOptions {
  config: Config
  part: DatabasePart
  tenancy: Tenancy
  routes: RouteBook
  clock: Clock
  logger: Logger
  stack: AsyncDisposableStack
}

/** @throws GristmillError `invalid_config` where the prices are in another currency */
export async function openTollPart(options: TollOptions): Promise<TollPart> {
  const { config, part, tenancy, routes, clock, logger, stack } = options
  const { database } = part
  const { audit } = tenancy
  const prices = new PriceBook({ database, audit, clock, logger, currency: config.currency })
  await prices.open()
  stack.defer(() => prices.close())
  const allowances = new DaySpend(clock)
  const routeOf = (model: string) => routes.find(model)?.name
  await allowances.open(
    (fromMs) => spendSince(database.sql, fromMs),
    (model) => routeOf(model) ?? model,
  )
  const priceOf: PriceOf = ({ tenantId, model, serviceClass, arrivedAtMs }) => {
    const plan = tenancy.labels().get(tenantId)?.pricePlan ?? null
    return prices.find({ model, route: routeOf(model), serviceClass, plan }, arrivedAtMs)
  }
  return { prices, allowances, priceOf }
}
