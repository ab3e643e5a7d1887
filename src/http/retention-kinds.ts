/** All that is kept, in one table: how long, who says so, and in which tables it is. */
import { type Limits, limitTable } from '../base/index.ts'
import { DELIVERIES_KEPT_MS, LINES_KEPT_MS } from '../batch/index.ts'
import { CHANGES_KEPT_DAYS } from '../meter/index.ts'
import type { KeptKindView } from './contract.ts'
import { SESSION_S } from './login.ts'

export interface KeptKind extends Omit<KeptKindView, 'size' | 'byTenant'> {
  isByTenant: boolean
  /** The first tells how many there are; none where it is in memory. */
  tables: string[]
}

type Given = Pick<KeptKind, 'name' | 'what' | 'tables'>

const HOUR_MS = 3_600_000

/** Of requests, the tables of their months are to be added. */
export function keptKinds(limits: Limits): KeptKind[] {
  return [...kindsByLimits(limits), ...kindsByRule(), ...kindsForEver()]
}

function kindsByLimits(limits: Limits): KeptKind[] {
  const ms = (name: 'responseCacheMsMax' | 'idempotencyMsMax') => {
    const isHours = limits[name] % HOUR_MS === 0
    const time = isHours
      ? { amount: limits[name] / HOUR_MS, unit: 'hours' as const }
      : { amount: limits[name] / 1000, unit: 'seconds' as const }
    return { ...time, after: 'the answer' }
  }
  return [
    kind('requests', limitTable.requestMonths.env, {
      name: 'Requests',
      what: 'each request and what it is charged; once its month is closed',
      tables: ['ledger_intents_rest', 'ledger_settlements_rest'],
      keptFor: { amount: limits.requestMonths, unit: 'months', after: 'the end of its month' },
    }),
    kind('engine_minutes', limitTable.minuteDays.env, {
      name: 'Engines by the minute',
      what: 'what each could do and did, and for whom; once they are on statements',
      tables: ['engine_minutes', 'engine_minute_tenants'],
      keptFor: { amount: limits.minuteDays, unit: 'days', after: 'the end of their day' },
    }),
    kind('files', limitTable.fileRetentionDays.env, {
      name: 'Files',
      what: 'inputs and answers of batches, sealed; unless one says otherwise itself',
      tables: ['files', 'file_chunks'],
      keptFor: { amount: limits.fileRetentionDays, unit: 'days', after: 'upload' },
    }),
    kind('batches', limitTable.batchDays.env, {
      name: 'Batches',
      what: 'one row each: who, when, how many lines',
      tables: ['batches'],
      keptFor: { amount: limits.batchDays, unit: 'days', after: 'its end' },
    }),
    {
      ...kind('responses', null, {
        name: 'Responses',
        what: 'prompts and answers to go on from, sealed; only of tenants that want it',
        tables: ['responses', 'response_chunks'],
      }),
      isByTenant: true,
    },
    kind('cached_answers', limitTable.responseCacheMsMax.env, {
      name: 'Response cache',
      what: 'answers to the same prompt of the same tenant, in memory',
      tables: [],
      keptFor: ms('responseCacheMsMax'),
    }),
    kind('repeated_answers', limitTable.idempotencyMsMax.env, {
      name: 'Answers to repeat',
      what: 'for the same Idempotency-Key, in memory',
      tables: [],
      keptFor: ms('idempotencyMsMax'),
    }),
  ]
}

/** What the program decides. */
function kindsByRule(): KeptKind[] {
  return [
    kind('batch_lines', null, {
      name: 'Lines of batches',
      what: 'how each line went; its answer is in a file',
      tables: ['batch_lines', 'batch_line_tries'],
      keptFor: { amount: LINES_KEPT_MS / HOUR_MS, unit: 'hours', after: 'the end of its batch' },
    }),
    kind('deliveries', null, {
      name: 'Webhook deliveries',
      what: 'what was told to which address, and whether it arrived',
      tables: ['webhook_deliveries'],
      keptFor: { amount: DELIVERIES_KEPT_MS / HOUR_MS / 24, unit: 'days', after: 'its end' },
    }),
    kind('engine_changes', null, {
      name: 'Changes of engines',
      what: 'up, degraded, draining, down, with the reason',
      tables: ['engine_changes'],
      keptFor: { amount: CHANGES_KEPT_DAYS, unit: 'days', after: 'the change' },
    }),
    kind('sessions', null, {
      name: 'Sessions',
      what: 'of people who are signed in',
      tables: ['people_sessions'],
      keptFor: { amount: SESSION_S / 86_400, unit: 'days', after: 'its last use' },
    }),
  ]
}

function kindsForEver(): KeptKind[] {
  return [
    kind('usage', null, {
      name: 'Usage by the hour',
      what: 'sums of what keys used and are charged',
      tables: ['usage_hours', 'usage_fresh'],
    }),
    kind('cost_sums', null, {
      name: 'Engines by the day',
      what: 'sums of their minutes, by which costs are shared out; what rented services cost',
      tables: ['cost_sum_tenants', 'cost_sum_engines', 'cost_sums', 'engine_days', 'rented_days'],
    }),
    kind('statements', null, {
      name: 'Statements',
      what: 'statements, credit notes, compared bills and booked variances',
      tables: [
        ...['ledger_statements', 'ledger_variances', 'ledger_drops'],
        ...['reconciliations', 'reconciliation_lines'],
      ],
    }),
    kind('prices', null, {
      name: 'Prices and credit',
      what: 'every version of prices, discounts and engine costs; rows of prepaid credit',
      tables: [
        'prices',
        'discount_terms',
        'engine_costs',
        'list_price_lists',
        'credits',
        'credit_keys',
      ],
    }),
    kind('alerts', null, {
      name: 'Alerts',
      what: 'what was told of budgets, and by which e-mails',
      tables: ['budget_alerts', 'budget_mails'],
    }),
    kind('audit', null, {
      name: 'Audit log',
      what: 'who changed what, chained',
      tables: ['audit_log', 'audit_chain'],
    }),
  ]
}

function kind(
  name: string,
  setting: string | null,
  given: Given & Partial<Pick<KeptKind, 'keptFor'>>,
): KeptKind {
  return { kind: name, setting, keptFor: null, isByTenant: false, ...given }
}
