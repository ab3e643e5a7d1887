/** Alerts of budgets, joined with tenants, their webhooks and the mail server. */
import type { Clock, Config, Logger, Random } from '../base/index.ts'
import type { WebhookStore } from '../batch/index.ts'
import { mailSender } from '../host/index.ts'
import { BudgetAlerts, type Budgets, MailSender } from '../meter/index.ts'
import type { Tenancy } from '../tenancy/index.ts'
import type { DatabasePart } from './database-part.ts'

export interface AlertsOptions {
  config: Config
  part: DatabasePart
  tenancy: Tenancy
  budgets: Budgets
  webhooks: WebhookStore
  clock: Clock
  random: Random
  logger: Logger
  stack: AsyncDisposableStack
}

export function alertsPart(options: AlertsOptions): BudgetAlerts {
  const { config, part, tenancy, budgets, webhooks, clock, random, logger, stack } = options
  const { database } = part
  const zoneOf = (tenantId: string) => tenancy.labels().get(tenantId)?.timeZone ?? 'UTC'
  const base = { database, clock, random, logger, zoneOf }
  const alerts = new BudgetAlerts({
    ...base,
    audit: tenancy.audit,
    currency: config.currency,
    standings: (tenantIds) => budgets.list(tenantIds),
    nameOf: (tenantId) => tenancy.labels().get(tenantId)?.name ?? tenantId,
    tell: (sql, tenantId, type, data) => webhooks.enqueue(sql, tenantId, type, data),
  })
  stack.defer(() => alerts.close())
  const mails = new MailSender({ ...base, send: config.mail && mailSender(config.mail) })
  stack.defer(() => mails.close())
  return alerts
}
