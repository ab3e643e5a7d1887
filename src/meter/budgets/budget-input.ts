/** Budgets as people write them: amounts in money, tokens or seconds. */
import { z } from 'zod'
import { decimalOf, GristmillError, nanosOf } from '../../base/index.ts'
import { type BudgetUnit, budgetUnits } from './budget-types.ts'
import { budgetPeriods } from './period.ts'

const NANOS_PER_MS = 1_000_000n

const name = z
  .string()
  .trim()
  .min(1)
  .max(100)
  .regex(/^[^\p{Cc}]*$/u, 'it may not contain control characters')
/** Of the unit: money and seconds with decimals, tokens without. */
const limit = z.string().max(30)
const id = z.string().min(1).max(100).nullable().optional()

export const budgetInput = z
  .strictObject({
    name,
    tenantId: z.string().min(1).max(100),
    projectId: id,
    keyId: id,
    /** `*`: each end user has as much. */
    endUser: z.string().min(1).max(256).nullable().optional(),
    unit: z.enum(budgetUnits),
    limit,
    period: z.enum(budgetPeriods),
    isHard: z.boolean().default(true),
    clamps: z.boolean().default(false),
  })
  .refine(({ projectId, keyId, endUser }) => {
    return [projectId, keyId, endUser].filter((one) => one != null).length <= 1
  }, 'a budget is for a project, a key or an end user, or for the whole tenant')
export type BudgetInput = z.infer<typeof budgetInput>

export const budgetChange = z.strictObject({
  name: name.optional(),
  limit: limit.optional(),
  isHard: z.boolean().optional(),
  clamps: z.boolean().optional(),
})
export type BudgetChange = z.infer<typeof budgetChange>

/**
 * A limit in nanos, tokens or milliseconds.
 * @throws GristmillError `invalid_value`
 */
export function limitIn(unit: BudgetUnit, text: string): bigint {
  const amount = unit === 'tokens' ? tokensOf(text) : nanosOf(text)
  if (amount !== undefined) return unit === 'engine_seconds' ? amount / NANOS_PER_MS : amount
  const reason = `it must be an amount of ${unit.replace('_', '-')} such as "250"`
  throw new GristmillError('invalid_value', { param: 'limit', reason })
}

const tokensOf = (text: string) => (/^\d{1,15}$/.test(text) ? BigInt(text) : undefined)

/** The same for people. */
export function limitAsWritten(unit: BudgetUnit, amount: bigint): string {
  if (unit === 'tokens') return amount.toString()
  return decimalOf(unit === 'engine_seconds' ? amount * NANOS_PER_MS : amount)
}
