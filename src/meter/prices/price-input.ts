/** Prices as people write them: decimals of the currency, what is left out as its neighbour. */
import { z } from 'zod'
import { nanosOf, serviceClasses } from '../../base/index.ts'
import { pricePlan } from '../../tenancy/index.ts'
import type { Rates } from './charge.ts'

/** A million of the currency for a million tokens, a thousand for a second: no charge overflows. */
const RATE_NANOS_MAX = 10n ** 15n
const SECOND_NANOS_MAX = 10n ** 12n

const amount = (max: bigint) =>
  z
    .string()
    .max(30)
    .refine((text) => {
      const nanos = nanosOf(text)
      return nanos !== undefined && nanos <= max
    }, 'it must be an amount such as "0.15", with up to nine decimals')

/** For a million tokens. */
export const rateAmount = amount(RATE_NANOS_MAX)
const tokens = rateAmount.optional()

export const priceInput = z
  .strictObject({
    model: z
      .string()
      .min(1)
      .max(256)
      .regex(/^[^\p{Cc}]+$/u, 'it may not contain control characters')
      .default('*'),
    serviceClass: z.enum(serviceClasses).nullable().default(null),
    plan: pricePlan.nullable().default(null),
    /** From when on; a second from now where absent. */
    effectiveAt: z.iso.datetime({ offset: true }).optional(),
    /** True ends the price; a less particular one holds then. */
    ends: z.boolean().default(false),
    /** For a million tokens. */
    input: tokens,
    cachedInput: tokens,
    cacheWrite: tokens,
    output: tokens,
    reasoning: tokens,
    embedding: tokens,
    /** For a request that has tokens. */
    request: tokens,
    engineSecond: amount(SECOND_NANOS_MAX).optional(),
    /** Share of all of it that a hit in the response cache is charged, `0` to `1`. */
    hitShare: amount(10n ** 9n).optional(),
  })
  .refine((price) => !price.ends || rateNames.every((name) => price[name] === undefined), {
    message: 'what ends has no amounts',
    path: ['ends'],
  })
  .refine((price) => price.ends || rateNames.some((name) => price[name] !== undefined), {
    message: 'an amount is needed',
    path: ['input'],
  })

const rateNames = [
  'input',
  'cachedInput',
  'cacheWrite',
  'output',
  'reasoning',
  'embedding',
  'request',
  'engineSecond',
  'hitShare',
] as const

export type PriceInput = z.infer<typeof priceInput>

/** Prices that are added together. */
export interface PricesInput {
  prices: readonly PriceInput[]
  /** What they are for. */
  note: string
}

/** Kinds of prompt tokens that are not named cost what prompts do, reasoning what output does. */
export function ratesOf(given: PriceInput): Rates | null {
  if (given.ends) return null
  const nanos = (text: string | undefined, otherwise: bigint) =>
    text === undefined ? otherwise : (nanosOf(text) ?? otherwise)
  const input = nanos(given.input, 0n)
  const output = nanos(given.output, 0n)
  return {
    input,
    cachedInput: nanos(given.cachedInput, input),
    cacheWrite: nanos(given.cacheWrite, input),
    output,
    reasoning: nanos(given.reasoning, output),
    embedding: nanos(given.embedding, input),
    request: nanos(given.request, 0n),
    engineSecond: nanos(given.engineSecond, 0n),
    hitMillionths: nanos(given.hitShare, 0n) / 1000n,
  }
}
