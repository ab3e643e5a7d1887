/** Statements as the admin API has them: shapes, views, and the same as CSV. */
import { z } from '@hono/zod-openapi'
import { type Statement, type StatementDocument, statementBases } from '../meter/index.ts'
import type * as contract from './contract.ts'

const count = z.number().int()

export const statement = z
  .object({
    number: count,
    kind: z.enum(['statement', 'credit_note']),
    tenantId: z.string(),
    tenantName: z.string(),
    issuer: z.string().nullable(),
    fromAt: z.iso.datetime(),
    toAt: z.iso.datetime(),
    currency: z.string(),
    total: z.string(),
    corrects: count.nullable(),
    correctedBy: count.nullable(),
    closedAt: z.iso.datetime(),
    actor: z.string(),
    previousHash: z.string(),
    hash: z.string(),
    signature: z.string(),
    publicKey: z.string(),
  })
  .openapi('Statement') satisfies z.ZodType<contract.StatementView>

const costLine = z.object({
  engineId: z.string(),
  kind: z.enum(['entitled', 'borrowed', 'wasted', 'shared']),
  cause: z.string(),
  engineS: z.string(),
  amount: z.string(),
})

const overflowLine = z.object({
  target: z.string(),
  model: z.string(),
  requests: count,
  inputTokens: count,
  outputTokens: count,
  amount: z.string(),
})

const usageLine = z.object({
  projectId: z.string(),
  model: z.string(),
  serviceClass: z.string(),
  requests: count,
  inputTokens: count,
  cachedTokens: count,
  outputTokens: count,
  unpriced: count,
  charge: z.string(),
})

export const discounts = z.object({
  plan: z.string().nullable(),
  book: count,
  lines: z.array(
    z.object({
      kind: z.enum(['allowance', 'discount']),
      terms: count,
      month: z.string(),
      method: z.string(),
      basis: z.string(),
      granted: z.string(),
      before: z.string(),
      amount: z.string(),
    }),
  ),
}) satisfies z.ZodType<contract.DiscountsView>

const content = z.object({
  basis: z.enum(statementBases),
  costs: z.array(costLine),
  overflow: z.array(overflowLine),
  usage: z.array(usageLine),
  discounts: discounts.nullable(),
  lentS: z.string(),
  cachedTokens: count,
  hitTokens: count,
  credit: z
    .object({
      toppedUp: z.string(),
      refunded: z.string(),
      corrected: z.string(),
      used: z.string(),
    })
    .nullable(),
  allocation: z.object({
    rule: z.enum(['operator', 'weight', 'use']),
    engineCost: z.string(),
    overflowCost: z.string(),
    unallocated: z.string(),
    digest: z.string(),
  }),
})

export const statementDetail = statement
  .extend({ reason: z.string().nullable(), content: content.nullable() })
  .openapi('StatementDetail') satisfies z.ZodType<contract.StatementDetailView>

export function statementView(given: Statement): contract.StatementView {
  const { number, document, hash, previousHash, signature, publicKey, actor } = given
  const { kind, tenantId, tenantName, issuer = null, fromAt, toAt, currency, total } = document
  return {
    ...{ number, kind, tenantId, tenantName, issuer, fromAt, toAt, currency, total },
    corrects: document.kind === 'credit_note' ? document.corrects : null,
    correctedBy: given.correctedBy,
    closedAt: new Date(given.closedAtMs).toISOString(),
    ...{ actor, previousHash, hash, signature, publicKey },
  }
}

export function statementDetailView(given: Statement): contract.StatementDetailView {
  const { document } = given
  const isNote = document.kind === 'credit_note'
  return {
    ...statementView(given),
    reason: isNote ? document.reason : null,
    content: isNote ? null : contentOf(document),
  }
}

function contentOf(document: StatementDocument) {
  const { basis, costs, overflow, usage, lentS, cachedTokens, hitTokens, allocation } = document
  const { credit = null, discounts: off = null } = document
  const lines = { costs, overflow, usage, discounts: off }
  return { basis, ...lines, lentS, cachedTokens, hitTokens, credit, allocation }
}
