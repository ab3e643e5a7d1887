/**
 * The ledger: what every request used, booked exactly once; and what the engines could have done.
 */
export {
  type AlertSettings,
  alertSettings,
  type Outlook,
  type SentAlert,
} from './alerts/alert-types.ts'
export { BudgetAlerts, type BudgetAlertsOptions } from './alerts/budget-alerts.ts'
export { MailSender } from './alerts/mail-sender.ts'
export { Books, type BooksOptions, type Closed, type Closing } from './books/books.ts'
export { ChargebackSum } from './books/chargeback.ts'
export {
  type Chargeback,
  type ChargeKind,
  type ChargeLine,
  type EngineMinute,
  type EngineTotal,
  type IdleRule,
  idleRules,
} from './books/chargeback-types.ts'
export {
  byClass,
  type ClassShares,
  engineKey,
  readClassShares,
  rentedKey,
} from './books/class-shares.ts'
export { costDays } from './books/cost-days.ts'
export { foldCosts, keepCostsFolded } from './books/cost-folding.ts'
export { costForecast, costMonths, monthOf } from './books/cost-trend.ts'
export {
  addEngineCost,
  type EngineCost,
  engineCosts,
  type HourlyCost,
  hourlyNanos,
  nextMinuteMs,
} from './books/engine-costs.ts'
export { readEngineMinutes } from './books/engine-minutes.ts'
export { type Overflow, type PeriodCosts, periodCosts, type Saving } from './books/period.ts'
export { sumOfPeriod } from './books/period-sum.ts'
export { differenceClasses } from './books/reconcile.ts'
export {
  type LineRequest,
  type Reconciliation,
  type ReconciliationLine,
  readLine,
  readLineRequests,
  readLines,
  readReconciliation,
  readReconciliations,
} from './books/reconciliation-rows.ts'
export { Reconciliations } from './books/reconciliations.ts'
export {
  readStatement,
  readStatements,
  readUsageLines,
  standingPages,
} from './books/statement-rows.ts'
export {
  type AnyDocument,
  type Statement,
  type StatementBasis,
  type StatementDocument,
  statementBases,
} from './books/statement-types.ts'
export { type VerifiedPart, verifyRequests } from './books/verify-requests.ts'
export { verifyStatements } from './books/verify-statements.ts'
export { type Dropped, readDropped, verifyUsage } from './books/verify-usage.ts'
export { readWeights, weightSpans } from './books/weights.ts'
export {
  type BudgetChange,
  type BudgetInput,
  budgetChange,
  budgetInput,
  limitAsWritten,
} from './budgets/budget-input.ts'
export type * from './budgets/budget-types.ts'
export { budgetUnits, NO_COST } from './budgets/budget-types.ts'
export { Budgets, type BudgetsOptions } from './budgets/budgets.ts'
export {
  type CreditInput,
  type CreditKind,
  creditInput,
  creditKinds,
} from './budgets/credit-input.ts'
export { type Credit, readCredits } from './budgets/credit-rows.ts'
export { type BookedCredit, Credits } from './budgets/credits.ts'
export { type Hold, leftOf } from './budgets/hold.ts'
export { budgetPeriods } from './budgets/period.ts'
export { type BudgetRequest, inWords } from './budgets/reserving.ts'
export { recordCapacity } from './capacity.ts'
export { CapacityWriter } from './capacity-writer.ts'
export { csvRecord } from './csv.ts'
export { readTerms } from './discounts/discount-terms.ts'
export type * from './discounts/discount-types.ts'
export { readDiscounts, readPlans } from './discounts/discounts.ts'
export { addTerms, type TermsInput, termsInput } from './discounts/terms-input.ts'
export {
  CHANGES_KEPT_DAYS,
  type EngineErrors,
  type EngineStep,
  queryChanges,
  queryErrors,
  querySteps,
  recordChange,
} from './engine-history.ts'
export { type FlowFilter, type FlowRow, queryFlow } from './flow.ts'
export { Journal } from './journal.ts'
export { createLedger, type Ledger, type LedgerOptions } from './ledger.ts'
export { type ChargedWork, chargeMax, type Rates } from './prices/charge.ts'
export { chargedFor, chargeLines, type PriceLine } from './prices/charge-lines.ts'
export {
  atListPrice,
  type CountedWork,
  type TokenFactor,
  usualTokenFactor,
} from './prices/list-comparison.ts'
export {
  type ListPriceInput,
  listPricesInput,
} from './prices/list-price-input.ts'
export {
  type ListPrice,
  type ListPriceList,
  listPrices,
  readListPrices,
  replaceListPrices,
} from './prices/list-prices.ts'
export { PriceBook, type PriceBookOptions } from './prices/price-book.ts'
export { type PriceInput, type PricesInput, priceInput } from './prices/price-input.ts'
export type * from './prices/price-types.ts'
export { costOf, priced } from './prices/priced.ts'
export type { CountOf, PriceOf, StoredAnswers } from './recovery.ts'
export { findRequest, listRequests, type RequestFilter, type RequestRow } from './requests.ts'
export { Retention } from './retention-keeper.ts'
export type * from './retention-standing.ts'
export { openTestJournal } from './test-journal.ts'
export type * from './types.ts'
export {
  exportUsageCsv,
  queryUsage,
  spendSince,
  type UsageFilter,
  type UsageGroup,
  type UsagePage,
  type UsageRow,
  usageGroups,
} from './usage.ts'
export {
  type SettledFilter,
  type SettledPage,
  type SettledRequest,
  settledPage,
  settledPages,
} from './usage-events.ts'
export { foldUsage, hasAnswered, keepUsageFolded } from './usage-hours.ts'
