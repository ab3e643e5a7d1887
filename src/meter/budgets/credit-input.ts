/** Rows of prepaid credit as people write them. */
import { z } from 'zod'
import { signedNanosOf } from '../../base/index.ts'

/** `top_up`: paid in; `refund`: paid back; `correction`: of a row before, in either direction. */
export const creditKinds = ['top_up', 'refund', 'correction'] as const
export type CreditKind = (typeof creditKinds)[number]

/** A billion of the currency, so that no sum of rows overflows. */
const NANOS_MAX = 10n ** 18n

export const creditInput = z
  .strictObject({
    tenantId: z.string().min(1).max(100),
    kind: z.enum(creditKinds),
    /** What is paid in or back; of a correction, less than 0 where the tenant has less by it. */
    amount: z
      .string()
      .max(30)
      .refine((text) => {
        const nanos = signedNanosOf(text)
        return nanos !== undefined && nanos !== 0n && nanos <= NANOS_MAX && nanos >= -NANOS_MAX
      }, 'it must be an amount such as "250"'),
    note: z
      .string()
      .trim()
      .min(1)
      .max(200)
      .regex(/^[^\p{Cc}]+$/u, 'it may not contain control characters'),
  })
  .refine(({ kind, amount }) => kind === 'correction' || !amount.startsWith('-'), {
    message: 'only a correction may be less than 0',
    path: ['amount'],
  })
export type CreditInput = z.infer<typeof creditInput>

/** By how much the tenant has more. */
export function creditNanosOf({ kind, amount }: Pick<CreditInput, 'kind' | 'amount'>): bigint {
  const nanos = signedNanosOf(amount) ?? 0n
  return kind === 'refund' ? -nanos : nanos
}
