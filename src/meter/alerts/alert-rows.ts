/** The tables of alerts: settings, crossings, and e-mails that wait to be sent. */
import { type Queries, type Transaction, textArray } from '../../store/index.ts'
import {
  type AlertMessage,
  type AlertSettings,
  type SentAlert,
  usualAlerts,
} from './alert-types.ts'

/** By budget; those with what is usual are missing. */
export async function readSettings(sql: Queries): Promise<Map<string, AlertSettings>> {
  const rows = await sql<(AlertSettings & { budgetId: string })[]>`
    select budget_id as "budgetId", percents, on_forecast as "onForecast", emails
    from budget_alert_settings`
  return new Map(rows.map(({ budgetId, ...settings }) => [budgetId, settings]))
}

export async function readSettingsOf(sql: Queries, budgetId: string): Promise<AlertSettings> {
  const [row] = await sql<AlertSettings[]>`
    select percents, on_forecast as "onForecast", emails
    from budget_alert_settings where budget_id = ${budgetId}`
  return row ?? usualAlerts
}

export async function writeSettings(
  sql: Queries,
  budgetId: string,
  { percents, onForecast, emails }: AlertSettings,
): Promise<void> {
  await sql`
    insert into budget_alert_settings (budget_id, percents, on_forecast, emails)
    values (${budgetId}, ${JSON.stringify(percents)}::text::jsonb, ${onForecast},
      ${JSON.stringify(emails)}::text::jsonb)
    on conflict (budget_id) do update set percents = excluded.percents,
      on_forecast = excluded.on_forecast, emails = excluded.emails`
}

export interface CrossingRow {
  id: string
  budgetId: string
  tenantId: string
  startMs: number
  percent: number
  /** null: a higher one is told of instead. */
  told: AlertMessage | null
  atMs: number
}

/** @returns false where it was noted before, by whichever gateway */
export async function insertCrossing(sql: Transaction, row: CrossingRow): Promise<boolean> {
  const told = row.told === null ? null : JSON.stringify(row.told)
  const made = await sql`
    insert into budget_alerts (id, budget_id, tenant_id, period_start, percent, told, created_at)
    values (${row.id}, ${row.budgetId}, ${row.tenantId},
      to_timestamp(${row.startMs}::float8 / 1000), ${row.percent}, ${told},
      to_timestamp(${row.atMs}::float8 / 1000))
    on conflict (budget_id, period_start, percent) do nothing returning id`
  return made.length > 0
}

/** What is noted already of these periods of budgets, as `crossingKey` has it. */
export async function readCrossings(
  sql: Queries,
  periods: readonly { budgetId: string; startMs: number }[],
): Promise<Set<string>> {
  const rows = await sql<{ budgetId: string; startMs: number; percent: number }[]>`
    select a.budget_id as "budgetId", a.percent, given."startMs"
    from json_to_recordset(${JSON.stringify(periods)}::text::json)
      as given ("budgetId" text, "startMs" float8)
    join budget_alerts a on a.budget_id = given."budgetId"
      and a.period_start = to_timestamp(given."startMs" / 1000)`
  return new Set(rows.map((row) => crossingKey(row)))
}

export const crossingKey = (row: { budgetId: string; startMs: number; percent: number }) =>
  `${row.budgetId} ${row.startMs} ${row.percent}`

/** What was told, the newest first. @param before of an earlier page */
export async function readAlerts(
  sql: Queries,
  filter: { tenantIds?: readonly string[] | undefined; budgetId?: string | undefined },
  page: { limit: number; before?: string | undefined },
): Promise<SentAlert[]> {
  const { tenantIds, budgetId } = filter
  const rows = await sql<{ told: string; mails: SentAlert['mails'] }[]>`
    select told, coalesce((select jsonb_agg(jsonb_build_object('address', address, 'state', state,
        'attempts', attempts, 'reason', reason) order by address)
      from budget_mails where alert_id = a.id), '[]') as mails
    from budget_alerts a
    where told is not null
      ${tenantIds ? sql`and tenant_id = any (${textArray(tenantIds)}::text[])` : sql``}
      ${budgetId === undefined ? sql`` : sql`and budget_id = ${budgetId}`}
      ${page.before === undefined ? sql`` : sql`and id < ${page.before}`}
    order by id desc limit ${page.limit}`
  return rows.map(({ told, mails }) => ({ ...(JSON.parse(told) as AlertMessage), mails }))
}

export async function insertMails(
  sql: Transaction,
  alertId: string,
  addresses: readonly string[],
  at: Date,
): Promise<void> {
  await sql`
    insert into budget_mails (alert_id, address, next_at)
    select ${alertId}, address, ${at}
    from unnest(${textArray([...new Set(addresses)])}::text[]) as given (address)`
}

export interface DueMail {
  alertId: string
  address: string
  attempts: number
  told: AlertMessage
}

/** Takes e-mails that are due; no other gateway does before `leaseMs` have passed. */
export async function claimMails(
  sql: Queries,
  nowMs: number,
  leaseMs: number,
  rowsMax: number,
): Promise<DueMail[]> {
  const rows = await sql<(Omit<DueMail, 'told'> & { told: string })[]>`
    update budget_mails m
    set attempts = attempts + 1, next_at = ${new Date(nowMs + leaseMs)}
    from budget_alerts a
    where a.id = m.alert_id and (m.alert_id, m.address) in (
      select alert_id, address from budget_mails
      where state = 'due' and next_at <= ${new Date(nowMs)}
      order by next_at limit ${rowsMax} for update skip locked)
    returning m.alert_id as "alertId", m.address, m.attempts, a.told`
  return rows.map((row) => ({ ...row, told: JSON.parse(row.told) as AlertMessage }))
}

/** @param after null where there will be no further attempt */
export async function mailFailed(
  sql: Queries,
  { alertId, address }: Pick<DueMail, 'alertId' | 'address'>,
  reason: string,
  after: Date | null,
  now: Date,
): Promise<void> {
  await sql`
    update budget_mails set reason = ${reason},
      state = ${after === null ? 'failed' : 'due'}, next_at = coalesce(${after}, next_at),
      ended_at = ${after === null ? now : null}
    where alert_id = ${alertId} and address = ${address} and state = 'due'`
}

export async function mailDelivered(
  sql: Queries,
  { alertId, address }: Pick<DueMail, 'alertId' | 'address'>,
  now: Date,
): Promise<void> {
  await sql`
    update budget_mails set state = 'delivered', reason = null, ended_at = ${now}
    where alert_id = ${alertId} and address = ${address}`
}
