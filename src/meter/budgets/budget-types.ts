/** Budgets as plain data. Amounts are nanos, tokens or milliseconds on an engine, by their unit. */
import type { BudgetPeriod } from './period.ts'

export const budgetUnits = ['money', 'tokens', 'engine_seconds'] as const
export type BudgetUnit = (typeof budgetUnits)[number]

/** What may be spent in a time, by whom. */
export interface Budget {
  id: string
  name: string
  tenantId: string
  /** At most one of the three is set; none: the whole tenant. */
  projectId: string | null
  keyId: string | null
  /** `*`: each end user has as much. */
  endUser: string | null
  unit: BudgetUnit
  limit: bigint
  period: BudgetPeriod
  /** False: it is only told when it is passed. */
  isHard: boolean
  /** True where an answer may be made shorter so that it still fits. */
  clamps: boolean
  /** True of prepaid credit, whose limit is the sum of its rows. */
  isPrepaid: boolean
  createdAt: Date
}

/** A budget with what has come of it in its present period. */
export interface BudgetStanding {
  budget: Budget
  /** The end user, where each has a count of its own. */
  subject: string
  startMs: number
  /** When it renews; Infinity: never. */
  endMs: number
  spent: bigint
  /** Set aside, or leased to gateways. */
  leased: bigint
}

/** What a request takes, or may take at most, in every unit; worked out where it is looked at. */
export interface Cost {
  /** Nanos. */
  readonly money: bigint
  readonly tokens: bigint
  /** Milliseconds. */
  readonly engine_seconds: bigint
}

export const NO_COST: Cost = { money: 0n, tokens: 0n, engine_seconds: 0n }

/** Who asks, as far as budgets depend on it. */
export interface Spender {
  tenantId: string
  projectId: string
  keyId: string
  endUser: string | null
}
