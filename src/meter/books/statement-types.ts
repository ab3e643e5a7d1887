/** Statements as plain data. What is in a document is hashed, so it holds nothing but text. */
import type { Discounts } from '../discounts/discount-types.ts'
import type { ChargeKind, IdleRule } from './chargeback-types.ts'

/** What a tenant is billed: its share of what engines cost, or its use at the price book. */
export const statementBases = ['cost', 'prices'] as const
export type StatementBasis = (typeof statementBases)[number]

/** Use of one project of a model in a class, and what it was charged; counts as they are. */
export interface UsageLine {
  projectId: string
  model: string
  serviceClass: string
  requests: number
  inputTokens: number
  cachedTokens: number
  outputTokens: number
  /** Requests for which there was no price. */
  unpriced: number
  /** Decimal of the currency, as all amounts here. */
  charge: string
}

export interface CostLine {
  engineId: string
  kind: ChargeKind
  cause: string
  engineS: string
  amount: string
}

export interface OverflowLine {
  target: string
  model: string
  requests: number
  inputTokens: number
  outputTokens: number
  amount: string
}

/** What became of prepaid credit in the period, beside what is billed. Decimals with their sign. */
export interface CreditUse {
  toppedUp: string
  refunded: string
  corrected: string
  /** Of it, what requests were charged that were settled in the period. */
  used: string
}

/** How what engines cost was shared among all tenants; the same on all statements of a period. */
export interface AllocationHead {
  rule: IdleRule
  engineCost: string
  overflowCost: string
  unallocated: string
  /** SHA-256 of all lines of all tenants. */
  digest: string
}

export interface StatementDocument {
  kind: 'statement'
  number: number
  tenantId: string
  tenantName: string
  /** Who it is from, line by line; absent where nobody said. */
  issuer?: string
  fromAt: string
  toAt: string
  currency: string
  basis: StatementBasis
  /** Of cost and overflow, or of usage, by the basis. */
  total: string
  costs: CostLine[]
  overflow: OverflowLine[]
  usage: UsageLine[]
  /** Part of the total, where that is of use at prices; absent where there never were terms. */
  discounts?: Discounts
  lentS: string
  cachedTokens: number
  hitTokens: number
  /** Absent where nothing happened to any. */
  credit?: CreditUse
  allocation: AllocationHead
}

export interface CreditNoteDocument {
  kind: 'credit_note'
  number: number
  tenantId: string
  tenantName: string
  /** Who it is from, line by line; absent where nobody said. */
  issuer?: string
  fromAt: string
  toAt: string
  currency: string
  corrects: number
  reason: string
  /** What the statement said, with the opposite sign. */
  total: string
}

export type AnyDocument = StatementDocument | CreditNoteDocument

export interface Statement {
  number: number
  document: AnyDocument
  /** The document to the byte. */
  text: string
  previousHash: string
  hash: string
  signature: string
  publicKey: string
  closedAtMs: number
  actor: string
  /** The credit note that takes it back. */
  correctedBy: number | null
}
