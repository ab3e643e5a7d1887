/** The admin API's shapes for budgets, part of the contract. Amounts are decimals as text. */

// GET /api/budgets?tenant=… → {rows: BudgetView[]}; POST /api/budgets {name, tenantId, projectId? |
// keyId? | endUser?, unit, limit, period, isHard?, clamps?}; PATCH /api/budgets/:id {name?, limit?,
// isHard?, clamps?}; DELETE ends it. GET /v1/budget (key) → {budgets: BudgetView[]}: what applies.
export interface BudgetView {
  id: string
  name: string
  tenantId: string
  projectId: string | null
  keyId: string | null
  /** `*`: each end user has as much. */
  endUser: string | null
  unit: 'money' | 'tokens' | 'engine_seconds'
  /** Currency of money; null for other units. */
  currency: string | null
  limit: string
  period: 'hour' | 'day' | 'week' | 'month' | 'total'
  isHard: boolean
  clamps: boolean
  /** True of prepaid credit: its limit is the sum of its rows. */
  isPrepaid: boolean
  /** Settled in the present period; of a budget for each end user. */
  spent: string
  /** Set aside for requests that run, or leased to gateways. */
  reserved: string
  /** Not spent; parts of it may be set aside. */
  left: string
  startsAt: string
  /** null: it never renews. */
  renewsAt: string | null
}

// GET /api/credits?tenant=… → Page<CreditView>, the newest first; POST /api/credits {tenantId, kind,
// amount, note} → CreditBooked. How a tenant's credit stands is its budget with `isPrepaid`.
export interface CreditView {
  id: string
  tenantId: string
  /** Paid in, paid back, or the correction of a row before. */
  kind: 'top_up' | 'refund' | 'correction'
  currency: string
  /** By how much the tenant has more; less than 0: less. */
  amount: string
  note: string
  actor: string
  at: string
}

export interface CreditBooked {
  credit: CreditView
  budget: BudgetView
}
