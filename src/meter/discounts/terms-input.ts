/** Terms as people write them: amounts in decimals, shares in per cent; and adding them. */
import { z } from 'zod'
import { type Clock, GristmillError, nanosOf } from '../../base/index.ts'
import type { Database } from '../../store/index.ts'
import { type Actor, type AuditLog, pricePlan } from '../../tenancy/index.ts'
import { standingStatements } from '../books/statement-rows.ts'
import { insertTerms, isEnd } from './discount-terms.ts'
import type { DiscountTerms } from './discount-types.ts'

const amount = z
  .string()
  .max(30)
  .refine((text) => nanosOf(text) !== undefined, 'it must be an amount such as "250"')
const tokens = z.string().regex(/^[1-9]\d{0,14}$/, 'it must be a whole number of tokens')
const percent = z
  .string()
  .regex(/^\d{1,3}(\.\d{1,4})?$/, 'it must be per cent such as "12.5"')
  .refine((text) => Number(text) > 0 && Number(text) <= 100, 'it must be above 0, at most 100')

export const termsInput = z
  .strictObject({
    tenantId: z.string().min(1).max(100).nullable().default(null),
    plan: pricePlan.nullable().default(null),
    /** The month (UTC) from which on they hold. */
    from: z.string().regex(/^[2-9]\d{3}-(0[1-9]|1[0-2])$/, 'it must be a month such as "2026-12"'),
    /** What is free in each month. */
    free: z
      .discriminatedUnion('unit', [
        z.strictObject({
          unit: z.literal('money'),
          amount: amount.refine((text) => nanosOf(text) !== 0n, 'it must be above 0'),
        }),
        z.strictObject({ unit: z.literal('tokens'), amount: tokens }),
      ])
      .nullable()
      .default(null),
    /** Of what is above an amount of a month, the lowest first. */
    tiers: z
      .array(z.strictObject({ above: amount, percent }))
      .max(20)
      .default([]),
    note: z.string().trim().max(200).default(''),
  })
  .refine(({ tenantId, plan }) => (tenantId === null) !== (plan === null), {
    message: 'terms are for a tenant or for a price plan',
    path: ['tenantId'],
  })
  .refine(
    ({ tiers }) =>
      tiers.every(
        ({ above }, at) =>
          at === 0 || (nanosOf(above) ?? 0n) > (nanosOf(tiers[at - 1]?.above ?? '') ?? 0n),
      ),
    { message: 'each tier begins above the one before', path: ['tiers'] },
  )
export type TermsInput = z.infer<typeof termsInput>

/**
 * Adds terms; with nothing free and no tiers, those before end.
 * @throws GristmillError `period_refused` where a part of their first month, or of later time,
 *   is closed
 */
export function addTerms(
  { database, audit, clock }: { database: Database; audit: AuditLog; clock: Clock },
  given: TermsInput,
  actor: Actor,
): Promise<DiscountTerms> {
  const { tenantId, plan, from, free, tiers, note } = given
  return database.transaction(async (sql) => {
    const added = await insertTerms(sql, {
      ...{ tenantId, plan, fromMonth: from, note, actor: actor.name, atMs: clock.nowMs() },
      free: free === null ? null : { unit: free.unit, amount: amountOf(free) },
      tiers: tiers.map(({ above, percent: share }) => {
        return { aboveNanos: nanosOf(above) ?? 0n, millionths: (nanosOf(share) ?? 0n) / 100_000n }
      }),
    })
    // Once they are written: that waits for a period that is being closed.
    const fromMs = Date.parse(`${from}-01T00:00:00Z`)
    const [closed] = await standingStatements(sql, fromMs, Date.UTC(9999, 0))
    if (closed !== undefined) {
      const reason = `statement ${closed.number} closes time until ${closed.document.toAt}`
      throw new GristmillError('period_refused', { reason })
    }
    const detail = { plan, from, free, tiers, note, ends: isEnd(added) }
    const subject = `discount_terms:${added.version}`
    await audit.record(actor, { action: 'discount.set', subject, tenantId, detail }, sql)
    return added
  })
}

const amountOf = ({ unit, amount: text }: NonNullable<TermsInput['free']>) =>
  unit === 'tokens' ? BigInt(text) : (nanosOf(text) ?? 0n)
