/** The admin API's shapes for alerts of budgets, part of the contract. */

// GET /api/budget-alerts?tenant=…, the newest first; what was told of budgets
export interface BudgetAlertView {
  id: string
  budgetId: string
  budgetName: string
  tenantId: string
  tenantName: string
  /** `threshold`: so many per cent are spent; `forecast`: it will be used up before it renews. */
  kind: 'threshold' | 'forecast'
  percent: number | null
  unit: string
  currency: string | null
  limit: string
  spent: string
  isHard: boolean
  renewsAt: string | null
  /** Of a forecast; nine times out of ten from earliest to latest, null: it may last. */
  emptyAt: { expected: string; earliest: string; latest: string | null } | null
  at: string
  /** Besides the tenant's webhook. */
  mails: {
    address: string
    state: 'due' | 'delivered' | 'failed'
    attempts: number
    reason: string | null
  }[]
}

// GET /api/budgets/:id/alerts; PUT there {percents, onForecast, emails}
export interface BudgetAlertsView {
  percents: number[]
  onForecast: boolean
  emails: string[]
  /**
   * `empty`: at this pace it is used up; `lasts`: until it renews; `few`: too little is known;
   * `none`: not worked out, as of budgets of an hour or of end users.
   */
  outlook: {
    kind: 'empty' | 'lasts' | 'few' | 'none'
    emptyAt: BudgetAlertView['emptyAt']
    /** Whole days, or hours of a budget of a day, that it is made of. */
    steps: number
  }
}
