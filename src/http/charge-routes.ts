/** The route that says, line by line, why a request is charged what it is. */
import { createRoute, z } from '@hono/zod-openapi'
import { decimalOf, GristmillError } from '../base/index.ts'
import {
  type ChargedWork,
  chargedFor,
  chargeLines,
  findRequest,
  type PriceLine,
  type RequestRow,
} from '../meter/index.ts'
import { type Api, answer, checkReach, idParam, needs } from './api.ts'
import type * as contract from './contract.ts'
import type { HttpOptions } from './services.ts'

const chargeView = z
  .object({
    currency: z.string(),
    version: z.number().int().nullable(),
    lines: z.array(
      z.object({
        what: z.enum(chargedFor),
        quantity: z.number(),
        rate: z.string(),
        amount: z.string(),
      }),
    ),
    hitShare: z.string().nullable(),
    total: z.string().nullable(),
  })
  .openapi('Charge') satisfies z.ZodType<contract.ChargeView>

const readCharge = createRoute({
  ...needs('prices:read'),
  tags: ['prices'],
  method: 'get',
  path: '/api/requests/{id}/charge',
  summary: 'Why a request is charged what it is, line by line',
  request: { params: idParam },
  responses: { 200: answer('The lines, and what was booked.', chargeView) },
})

/** @param api where the route is added */
export function chargeRoutes(api: Api, { database, prices }: HttpOptions): void {
  api.openapi(readCharge, async (c) => {
    const { id } = c.req.valid('param')
    const found = await findRequest(database.sql, id)
    if (!found) throw new GristmillError('not_found', { kind: 'request', id })
    checkReach(c.get('access'), found.tenantId, 'request', id)
    const { currency } = prices
    const { priceVersion, chargeNanos, hitInputTokens } = found
    const total = chargeNanos === null ? null : decimalOf(BigInt(chargeNanos))
    const head = { currency, version: priceVersion, total }
    const rates = prices.prices.find(({ version }) => version === priceVersion)?.rates
    if (rates == null) return c.json({ ...head, lines: [], hitShare: null }, 200)
    const lines = chargeLines(rates, workOf(found)).map(lineView)
    const isHit = hitInputTokens !== null
    const hitShare = isHit ? decimalOf(rates.hitMillionths * 1000n) : null
    return c.json({ ...head, lines, hitShare }, 200)
  })
}

/** What it was charged for; of a hit, what the kept answer took. */
function workOf(row: RequestRow): ChargedWork {
  const { inputTokens, cachedTokens, outputTokens, engineMs, endpoint } = row
  const isEmbedding = endpoint === '/v1/embeddings'
  if (row.hitInputTokens !== null) {
    const kept = { inputTokens: row.hitInputTokens, outputTokens: row.hitOutputTokens ?? 0 }
    return { ...kept, cachedTokens: 0, engineMs: 0, isEmbedding }
  }
  return {
    inputTokens,
    cachedTokens,
    outputTokens,
    isEmbedding,
    engineMs: engineMs ?? 0,
    cacheWriteTokens: row.cacheWriteTokens ?? 0,
    reasoningTokens: row.reasoningTokens ?? 0,
  }
}

const MILLION = 1_000_000n

function lineView({ what, quantity, rate, millionths }: PriceLine) {
  const shown = what === 'engineSecond' ? quantity / 1000 : quantity
  // Six places more than an amount that is booked.
  const places = (millionths % MILLION).toString().padStart(6, '0')
  const [whole = '0', decimals = ''] = decimalOf(millionths / MILLION).split('.')
  const exact = `${decimals.padEnd(9, '0')}${places}`.replace(/0+$/, '')
  const amount = exact === '' ? whole : `${whole}.${exact}`
  return { what, quantity: shown, rate: decimalOf(rate), amount }
}
