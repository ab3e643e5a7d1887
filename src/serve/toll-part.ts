/** Money, put together: prices, budgets, what rented targets may cost a day, closed periods. */
import type { Clock, Config, Logger, Random } from '../base/index.ts'
import { DaySpend } from '../gateway/index.ts'
import type { Home } from '../host/index.ts'
import {
  Books,
  Budgets,
  Credits,
  keepCostsFolded,
  keepUsageFolded,
  type Ledger,
  PriceBook,
  type PriceOf,
  Reconciliations,
  Retention,
  spendSince,
} from '../meter/index.ts'
import type { RouteBook } from '../route/index.ts'
import type { Tenancy } from '../tenancy/index.ts'
import type { DatabasePart } from './database-part.ts'

export interface TollPart {
  prices: PriceBook
  budgets: Budgets
  allowances: DaySpend
  /** Reads anew what tenants have spent of their allowances today. */
  learnSpent: () => Promise<void>
  /** What the admin API reads and changes. */
  services: {
    prices: PriceBook
    budgets: Budgets
    credits: Credits
    books: Books
    reconciliations: Reconciliations
    retention: Retention
  }
  /** The price that held for a request that a crash left open. */
  priceOf: PriceOf
}

export interface TollOptions {
  config: Config
  home: Home
  part: DatabasePart
  tenancy: Tenancy
  ledger: Ledger
  routes: RouteBook
  clock: Clock
  random: Random
  logger: Logger
  stack: AsyncDisposableStack
}

/** After the end of a gateway, what it had leased of budgets is nobody's for so long. */
const LEASE_MS = 10_000
/** Of the time without the database, so that a lease renewed a while before lasts for all of it. */
const AWAY_SHARE = 1.25

/** @throws GristmillError `invalid_config` where the prices are in another currency */
export async function openTollPart(options: TollOptions): Promise<TollPart> {
  const { config, home, part, tenancy, ledger, routes, clock, random, logger, stack } = options
  const { database, gatewayId, awayMsMax } = part
  const { audit } = tenancy
  const { currency, statementIssuer: issuer } = config
  const folding = keepUsageFolded(database, clock, logger)
  stack.defer(() => folding.stop())
  const costs = keepCostsFolded(database, clock, logger)
  stack.defer(() => costs.stop())
  const { requestMonths: months, minuteDays } = config.limits
  const retention = new Retention({ database, audit, clock, logger, months, minuteDays })
  await retention.start()
  stack.defer(() => retention.stop())
  const seed = home.secret('statements')
  const books = new Books({ database, tenancy, ledger, clock, currency, issuer, seed })
  const reconciliations = new Reconciliations({ database, audit, clock })
  const prices = new PriceBook({ database, audit, clock, logger, currency })
  await prices.open()
  stack.defer(() => prices.close())
  const base = { database, audit, clock, random, logger, currency }
  const budgets = new Budgets({
    ...base,
    zoneOf: (tenantId) => tenancy.labels().get(tenantId)?.timeZone ?? 'UTC',
    waitMsMax: config.limits.budgetWaitMsMax,
    leaseMs: LEASE_MS + AWAY_SHARE * awayMsMax,
    gatewayId,
    isAlone: part.member === undefined,
  })
  await budgets.open()
  const credits = new Credits({ database, audit, clock, random, budgets })
  stack.defer(() => budgets.close())
  const allowances = new DaySpend(clock)
  const routeOf = (model: string) => routes.find(model)?.name
  const learnSpent = () =>
    allowances.learn(
      (fromMs) => spendSince(database.sql, fromMs),
      (model) => routeOf(model) ?? model,
    )
  await learnSpent()
  const priceOf: PriceOf = ({ tenantId, model, serviceClass, arrivedAtMs }) => {
    const plan = tenancy.labels().get(tenantId)?.pricePlan ?? null
    return prices.find({ model, route: routeOf(model), serviceClass, plan }, arrivedAtMs)
  }
  return {
    prices,
    budgets,
    services: { prices, budgets, credits, books, reconciliations, retention },
    allowances,
    learnSpent,
    priceOf,
  }
}
