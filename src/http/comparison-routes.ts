/** Routes for what the work of a time might have cost elsewhere. */
import { createRoute } from '@hono/zod-openapi'
import { decimalOf, GristmillError, nanosOf } from '../base/index.ts'
import {
  listPrices,
  periodCosts,
  queryUsage,
  readListPrices,
  usualTokenFactor,
} from '../meter/index.ts'
import { builtInProfiles } from '../pool/index.ts'
import { type Api, answer, body, needs, tenantsInReach } from './api.ts'
import * as schemas from './comparison-schemas.ts'
import {
  comparedCost,
  comparedService,
  ENGINES_CAVEAT,
  LIST_CAVEAT,
  meanEngineHour,
  ownEngineAmounts,
} from './comparison-view.ts'
import type * as contract from './contract.ts'
import { personOf } from './plan-routes.ts'
import type { HttpOptions } from './services.ts'

const tags = ['costs']
const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const SPAN_MS_MAX = 366 * DAY_MS
const FACTOR_BASIS =
  'An assumption: public comparisons find that tokenizers of current models count the same text ' +
  'up to 30 % apart, mostly English; it was not measured on this work.'

const compareLists = createRoute({
  ...needs('costs:read'),
  tags,
  method: 'get',
  path: '/api/ledger/comparison',
  summary: 'What the same tokens would have come to at list prices of closed services',
  request: { query: schemas.listQuery },
  responses: { 200: answer('The comparison.', schemas.listComparison) },
})

const compareEngines = createRoute({
  ...needs('plan:run'),
  tags,
  method: 'post',
  path: '/api/ledger/comparison/engines',
  summary: 'What engines of each tenant alone would have cost; answers once it is worked out',
  request: { body: body(schemas.engineQuestion) },
  responses: { 200: answer('The comparison.', schemas.engineComparison) },
})

/** @param api where the routes are added */
export function comparisonRoutes(api: Api, options: HttpOptions): void {
  engineRoute(api, options)
  const { database, prices, limits, clock } = options
  const { currency } = prices
  api.openapi(compareLists, async (c) => {
    const { from, to, tenant, service, tokenFactorLow, tokenFactorHigh } = c.req.valid('query')
    const span = spanOf(from, to, clock.nowMs())
    const reach = tenantsInReach(c.get('access'), tenant)
    const costs = await periodCosts(database.sql, span.fromMs, span.toMs, 'use', 'sums')
    const filter = { ...span, tenantIds: reach ?? undefined }
    const { rows } = await queryUsage(database.sql, filter, [], { limit: 1 })
    const work = { ...nothingUsed, ...rows[0] }
    const isUsual = tokenFactorLow === undefined && tokenFactorHigh === undefined
    const low = tokenFactorLow ?? Math.min(usualTokenFactor.low, tokenFactorHigh ?? 1)
    const high = tokenFactorHigh ?? Math.max(usualTokenFactor.high, low)
    const list = await readListPrices(database.sql)
    const priced = listPrices(list.prices, clock.nowMs(), limits.listPriceDaysMax)
    const wanted = priced.filter(
      ({ provider, model }) => service === undefined || `${provider}/${model}` === service,
    )
    if (service !== undefined && wanted.length === 0) {
      throw new GristmillError('not_found', { kind: 'list price', id: service })
    }
    const { requests, inputTokens, cachedTokens, outputTokens } = work
    const view: contract.ListComparisonView = {
      ...{ fromAt: iso(span.fromMs), toAt: iso(span.toMs), requests },
      cost: comparedCost(costs, reach, currency),
      ...{ inputTokens, cachedTokens, outputTokens },
      hitTokens: work.hitInputTokens + work.hitOutputTokens,
      tokenFactor: { low, high, basis: isUsual ? FACTOR_BASIS : 'As it was asked for.' },
      services: wanted.map((price) => comparedService(price, work, { low, high })),
      caveat: LIST_CAVEAT,
    }
    return c.json(view, 200)
  })
}

function engineRoute(api: Api, { database, prices, clock, plans }: HttpOptions): void {
  const { currency } = prices
  api.openapi(compareEngines, async (c) => {
    const { from, to, tenant, engine, ttftP99Ms, costPerEngineHour, draws } = c.req.valid('json')
    const { fromMs, toMs } = spanOf(from, to, clock.nowMs())
    const access = c.get('access')
    const tenantIds = tenantsInReach(access, tenant)
    const profile = builtInProfiles.find(({ name }) => name === engine)
    if (profile === undefined) {
      const names = builtInProfiles.map(({ name }) => name).join(', ')
      throw new GristmillError('invalid_value', {
        param: 'engine',
        reason: `it is one of ${names}`,
      })
    }
    const costs = await periodCosts(database.sql, fromMs, toMs, 'use', 'sums')
    const hour = nanosOf(costPerEngineHour ?? '') ?? meanEngineHour(costs)
    if (hour === null) {
      const reason = 'no engine of this time has a cost; say what an hour costs'
      throw new GristmillError('invalid_value', { param: 'costPerEngineHour', reason })
    }
    const input = { fromMs, toMs, tenantIds, engine, ttftP99Ms, draws }
    const found = await plans.dedicated(personOf(access), input, c.req.raw.signal)
    const view: contract.EngineComparisonView = {
      ...{ fromAt: iso(fromMs), toAt: iso(toMs), ttftP99Ms, draws },
      cost: comparedCost(costs, tenantIds, currency),
      engine: { name: profile.name, basis: profile.basis },
      costPerEngineHour: decimalOf(hour),
      costBasis:
        costPerEngineHour === undefined
          ? 'The mean of what an hour of the engines of this time cost.'
          : 'As it was asked for.',
      ...ownEngineAmounts(found, toMs - fromMs, hour),
      tenants: found.tenants.map(({ tenant: tenantId, requests, engines, low, high }) => {
        return { tenantId, requests, asItWas: engines, low, high }
      }),
      cannot: found.cannot,
      caveat: ENGINES_CAVEAT,
    }
    return c.json(view, 200)
  })
}

const nothingUsed = {
  ...{ requests: 0, inputTokens: 0, cachedTokens: 0, outputTokens: 0 },
  ...{ hitInputTokens: 0, hitOutputTokens: 0 },
}

const iso = (ms: number) => new Date(ms).toISOString()

/**
 * Of a time that is not over, until this minute; nothing of one that began in it.
 * @throws GristmillError `invalid_value`
 */
function spanOf(from: string | undefined, to: string | undefined, nowMs: number) {
  const minuteMs = nowMs - (nowMs % MINUTE_MS)
  const endMs = to === undefined ? minuteMs : Date.parse(to)
  const fromMs = from === undefined ? Math.min(endMs, minuteMs) - DAY_MS : Date.parse(from)
  const toMs = Math.max(fromMs, Math.min(endMs, minuteMs))
  if (fromMs < endMs && fromMs <= nowMs && toMs - fromMs <= SPAN_MS_MAX) return { fromMs, toMs }
  const reason = 'it must be before `to` and before now, and a year before `to` at most'
  throw new GristmillError('invalid_value', { param: 'from', reason })
}
