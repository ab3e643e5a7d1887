/** Variables of the configuration that are about money. */
import { z } from 'zod'

export const moneyVariables = {
  GRISTMILL_CURRENCY: z
    .string()
    .regex(/^[A-Z]{3}$/, 'must be a code such as USD')
    .default('USD')
    .describe('code of the currency that prices and budgets are in'),
  GRISTMILL_STATEMENT_ISSUER: z
    .string()
    .trim()
    .max(500)
    .transform((text) => text.replaceAll('\\n', '\n'))
    .optional()
    .describe('who statements are from, as it stands on them; `\\n` begins a new line'),
}
