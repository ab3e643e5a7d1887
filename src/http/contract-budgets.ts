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
