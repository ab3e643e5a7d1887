/** The shapes of reconciliations in the admin API; types only. Money is a decimal as text. */

// GET /api/ledger/reconciliations
// POST there {source, sha256, fromDay, toDay, threshold?, engines?, rows}
export interface ReconciliationView {
  id: number
  /** Who billed, as whoever reconciled calls it. */
  source: string
  /** Of the file. */
  sha256: string
  /** Days in UTC; `toDay` exclusive. */
  fromDay: string
  toDay: string
  threshold: string
  actor: string
  at: string
  classes: { class: DifferenceClassName; lines: number; difference: string }[]
  /** Lines that keep their days from being closed. */
  blocking: number
}

export type DifferenceClassName = 'matched' | 'missing_here' | 'missing_there' | 'price' | 'tokens'

// GET /api/ledger/reconciliations/:id/lines?class; POST …/lines/:line/variance {reason}
export interface ReconciliationLineView {
  line: number
  day: string
  model: string
  /** Name of the engine whose key it is; empty where no keys are told apart. */
  key: string
  class: DifferenceClassName
  ours: { requests: number; tokens: number; amount: string } | null
  theirs: { tokens: number | null; amount: string } | null
  /** What was billed above what the ledger has. */
  difference: string
  isBlocking: boolean
  variance: { reason: string; actor: string; at: string } | null
}

// GET /api/ledger/reconciliations/:id/lines/:line/requests
export interface ReconciliationRequestView {
  id: string
  settledAt: string
  tenantId: string
  tokens: number
  amount: string
}
