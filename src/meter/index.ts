/**
 * The ledger: what every request used, booked exactly once; and what the engines could have done.
 */
export {
  addEngineCost,
  type EngineCost,
  engineCosts,
  type HourlyCost,
  hourlyNanos,
  nextMinuteMs,
} from './books/engine-costs.ts'
export {
  type CapacityFilter,
  type CapacityPoint,
  queryCapacity,
  queryTenantCapacity,
  recordCapacity,
  type TenantCapacityPoint,
} from './capacity.ts'
export {
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
export type { CountOf, StoredAnswers } from './recovery.ts'
export { findRequest, listRequests, type RequestFilter, type RequestRow } from './requests.ts'
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
