/** Alerts of budgets as plain data. */
import { z } from 'zod'
import type { BudgetStanding } from '../budgets/budget-types.ts'

const PERCENTS_MAX = 10
const EMAILS_MAX = 10

/** When somebody is told of a budget, and who besides the tenant's webhook. */
export const alertSettings = z.strictObject({
  /** Of the limit. */
  percents: z.array(z.number().int().min(1).max(100)).max(PERCENTS_MAX),
  /** Whether it is told that it will be used up before it renews. */
  onForecast: z.boolean(),
  emails: z.array(z.email().max(254)).max(EMAILS_MAX),
})
export type AlertSettings = z.infer<typeof alertSettings>

export const usualAlerts: AlertSettings = { percents: [50, 80, 100], onForecast: true, emails: [] }

/** When a budget is used up at this pace, in milliseconds since the epoch. */
export interface BudgetForecast {
  expectedMs: number
  earliestMs: number
  /** null: it may last until it renews. */
  latestMs: number | null
  /** Whole days, or hours of a budget of a day, that it is made of. */
  steps: number
}

/** `few`: too little is known of its pace; `lasts`: until it renews; `none`: not worked out. */
export type Outlook =
  | { kind: 'empty'; forecast: BudgetForecast }
  | { kind: 'lasts' | 'few'; steps: number }
  | { kind: 'none' }

/** A percentage of 0 is a forecast. */
export interface Crossing {
  standing: BudgetStanding
  percent: number
  outlook: Outlook
}

/** What was told of a crossing; amounts as the API writes them. */
export interface AlertMessage {
  id: string
  budgetId: string
  budgetName: string
  tenantId: string
  tenantName: string
  /** `threshold`: so many per cent are spent; `forecast`: it will be used up. */
  kind: 'threshold' | 'forecast'
  percent: number | null
  unit: string
  currency: string | null
  limit: string
  spent: string
  isHard: boolean
  renewsAt: string | null
  /** Of a forecast. */
  emptyAt: { expected: string; earliest: string; latest: string | null } | null
  at: string
}

export interface MailState {
  address: string
  state: 'due' | 'delivered' | 'failed'
  attempts: number
  reason: string | null
}

export interface SentAlert extends AlertMessage {
  mails: MailState[]
}
