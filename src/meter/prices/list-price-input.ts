/** List prices of closed services as people write them: decimals for a million tokens, dated. */
import { z } from 'zod'
import { rateAmount } from './price-input.ts'

const words = (max: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(max)
    .regex(/^[^\p{Cc}]+$/u, 'it may not contain control characters')
const page = z.url({ protocol: /^https?$/ }).max(500)

export const listPriceInput = z.strictObject({
  /** Who sells it, such as `openai`. */
  provider: words(100),
  /** As the service calls it. */
  model: words(256),
  currency: z.string().regex(/^[A-Z]{3}$/, 'it must be a code such as USD'),
  input: rateAmount,
  /** As `input` where it is not named, as is `cacheWrite`. */
  cachedInput: rateAmount.optional(),
  cacheWrite: rateAmount.optional(),
  output: rateAmount,
  /** The day on which this was read. */
  asOf: z.iso.date(),
  /** The public page of the service. */
  source: page,
  /** Where it was read, if not there. */
  via: page.optional(),
  /** What the amounts leave out, such as a higher price for long prompts. */
  note: words(200).optional(),
})
export type ListPriceInput = z.infer<typeof listPriceInput>

export const LIST_PRICES_MAX = 1000

export const listPricesInput = z
  .array(listPriceInput)
  .min(1)
  .max(LIST_PRICES_MAX)
  .refine(
    (prices) =>
      new Set(prices.map(({ provider, model }) => `${provider}\n${model}`)).size === prices.length,
    'a model of a provider may be listed once',
  )
