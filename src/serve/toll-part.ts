/** Money, put together: the price book, what rented targets may cost a day, and closed periods. */
import type { Clock, Config, Logger } from '../base/index.ts'
import { DaySpend } from '../gateway/index.ts'
import type { Home } from '../host/index.ts'
import { Books, PriceBook, type PriceOf, spendSince } from '../meter/index.ts'
import type { RouteBook } from '../route/index.ts'
import type { Tenancy } from '../tenancy/index.ts'
import type { DatabasePart } from './database-part.ts'

export interface TollPart {
  prices: PriceBook
  books: Books
  allowances: DaySpend
  /** The price that held for a request that a crash left open. */
  priceOf: PriceOf
}

export interface TollOptions {
  config: Config
  home: Home
  part: DatabasePart
  tenancy: Tenancy
  routes: RouteBook
  clock: Clock
  logger: Logger
  stack: AsyncDisposableStack
}

/** @throws GristmillError `invalid_config` where the prices are in another currency */
export async function openTollPart(options: TollOptions): Promise<TollPart> {
  const { config, home, part, tenancy, routes, clock, logger, stack } = options
  const { database } = part
  const { audit } = tenancy
  const { currency } = config
  const seed = home.secret('statements')
  const books = new Books({ database, tenancy, clock, currency, seed })
  const prices = new PriceBook({ database, audit, clock, logger, currency })
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
  return { prices, books, allowances, priceOf }
}
