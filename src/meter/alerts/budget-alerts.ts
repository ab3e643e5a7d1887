/**
 * Watches budgets and notes when one crosses what somebody wants to be told of. A crossing and what
 * is told of it are one transaction, so it is told once, by one of several gateways, and a gateway
 * that is killed leaves either both or neither.
 */
import { type Clock, type Logger, newId, type Random, type Timer } from '../../base/index.ts'
import type { Database, Transaction } from '../../store/index.ts'
import type { Actor, AuditLog } from '../../tenancy/index.ts'
import { limitAsWritten } from '../budgets/budget-input.ts'
import type { Budget, BudgetStanding } from '../budgets/budget-types.ts'
import { readLastTopUps } from '../budgets/credit-rows.ts'
import type { UsageRow } from '../usage.ts'
import {
  crossingKey,
  insertCrossing,
  insertMails,
  readAlerts,
  readCrossings,
  readSettings,
  readSettingsOf,
  writeSettings,
} from './alert-rows.ts'
import {
  type AlertMessage,
  type AlertSettings,
  type Crossing,
  type Outlook,
  type SentAlert,
  usualAlerts,
} from './alert-types.ts'
import { type HourSpent, outlookOf } from './budget-outlook.ts'
import { hourlyUse } from './budget-use.ts'
import { crossed, sinceTopUp } from './crossings.ts'

export interface BudgetAlertsOptions {
  database: Database
  clock: Clock
  random: Random
  logger: Logger
  audit: AuditLog
  currency: string
  standings(tenantIds?: readonly string[]): Promise<BudgetStanding[]>
  nameOf(tenantId: string): string
  zoneOf(tenantId: string): string
  /** Queues a webhook of the tenant, where it has one. */
  tell(sql: Transaction, tenantId: string, type: string, data: object): Promise<void>
}

const PERIOD_MS = 10_000
/** How often it is worked out anew when a budget will be empty. */
const FORECAST_MS = 10 * 60_000
/** In one look, or as many more as it takes to come round in time; each reads hours of weeks. */
const FORECASTS_AT_ONCE = 20

export class BudgetAlerts {
  readonly #options: BudgetAlertsOptions
  readonly #timer: Timer
  #checking: Promise<void> | undefined
  /** When each budget was last worked out. */
  #forecastAtMs = new Map<string, number>()

  /** Begins to look every ten seconds. */
  constructor(options: BudgetAlertsOptions) {
    this.#options = options
    this.#timer = options.clock.every(PERIOD_MS, () => {
      this.#checking ??= this.check()
        .catch((error: unknown) =>
          options.logger.warn({ err: error }, 'alerts of budgets wait for the next look'),
        )
        .finally(() => {
          this.#checking = undefined
        })
    })
  }

  async close(): Promise<void> {
    this.#timer.cancel()
    await this.#checking
  }

  /** Notes what was crossed since the last look, and queues what is told of it. */
  async check(): Promise<void> {
    const { database, standings } = this.#options
    // First, so that nothing is taken for spent that was only paid in meanwhile.
    const topUps = await readLastTopUps(database.sql)
    const given = (await standings()).filter(({ budget }) => budget.endUser !== '*')
    if (given.length === 0) return
    const all = given.map((one) => sinceTopUp(one, topUps.get(one.budget.id)))
    const settings = await readSettings(database.sql)
    const periods = all.map(({ budget, startMs }) => ({ budgetId: budget.id, startMs }))
    const known = await readCrossings(database.sql, periods)
    const due = this.#dueForecasts(all)
    const wantedOf = ({ budget }: BudgetStanding) => settings.get(budget.id) ?? usualAlerts
    const isNew = ({ budget, startMs }: BudgetStanding, percent: number) =>
      !known.has(crossingKey({ budgetId: budget.id, startMs, percent }))
    const isForecast = (one: BudgetStanding) =>
      due.has(one.budget.id) && wantedOf(one).onForecast && isNew(one, 0)
    const forecast = all.filter((one) => isForecast(one) && hasOutlook(one.budget))
    const used = await this.#usedBy(forecast.map(({ budget }) => budget))
    for (const standing of all) {
      const wanted = wantedOf(standing)
      const passed = crossed(standing, wanted.percents).filter((one) => isNew(standing, one))
      if (passed.length > 0) await this.#note(standing, passed, { kind: 'none' }, wanted)
      else if (isForecast(standing)) {
        const outlook = await this.outlook(standing, used.get(standing.budget.id))
        if (outlook.kind === 'empty') await this.#note(standing, [0], outlook, wanted)
      }
    }
  }

  /** Budgets whose turn it is, which is noted. */
  #dueForecasts(all: readonly BudgetStanding[]): Set<string> {
    const nowMs = this.#options.clock.monotonicMs()
    const last = this.#forecastAtMs
    const lastMs = (id: string) => last.get(id) ?? -FORECAST_MS
    const ids = all.map(({ budget }) => budget.id)
    const due = ids.filter((id) => nowMs - lastMs(id) >= FORECAST_MS)
    due.sort((a, b) => lastMs(a) - lastMs(b))
    const atOnce = Math.max(FORECASTS_AT_ONCE, Math.ceil((all.length * PERIOD_MS) / FORECAST_MS))
    const taken = new Set(due.slice(0, atOnce))
    this.#forecastAtMs = new Map(ids.map((id) => [id, taken.has(id) ? nowMs : lastMs(id)]))
    return taken
  }

  /** When a budget will be used up. @param known what was used of it, where that is known */
  async outlook(standing: BudgetStanding, known?: readonly UsageRow[]): Promise<Outlook> {
    const { clock, zoneOf } = this.#options
    const { budget } = standing
    if (!hasOutlook(budget)) return { kind: 'none' }
    const used = known ?? (await this.#usedBy([budget])).get(budget.id) ?? []
    return outlookOf(standing, spentIn(used, budget.unit), zoneOf(budget.tenantId), clock.nowMs())
  }

  settings(budgetId: string): Promise<AlertSettings> {
    return readSettingsOf(this.#options.database.sql, budgetId)
  }

  async set(budget: Budget, settings: AlertSettings, actor: Actor): Promise<AlertSettings> {
    const { database, audit } = this.#options
    const percents = [...new Set(settings.percents)].sort((a, b) => a - b)
    const given = { ...settings, percents, emails: [...new Set(settings.emails)] }
    await database.transaction(async (sql) => {
      await writeSettings(sql, budget.id, given)
      const entry = { action: 'budget.alerts', subject: budget.id, tenantId: budget.tenantId }
      await audit.record(actor, { ...entry, detail: given }, sql)
    })
    return given
  }

  /** What was told, the newest first. */
  list(
    filter: { tenantIds?: readonly string[] | undefined; budgetId?: string | undefined },
    page: { limit: number; before?: string | undefined },
  ): Promise<SentAlert[]> {
    return readAlerts(this.#options.database.sql, filter, page)
  }

  /** @param percents in rising order; only the highest is told of */
  async #note(
    standing: BudgetStanding,
    percents: readonly number[],
    outlook: Outlook,
    { emails }: AlertSettings,
  ): Promise<void> {
    const { database, clock, random, tell } = this.#options
    const { id: budgetId, tenantId } = standing.budget
    const atMs = clock.nowMs()
    await database.transaction(async (sql) => {
      const highest = percents.at(-1) ?? 0
      for (const percent of percents) {
        const id = newId('alr', clock, random)
        const isTold = percent === highest
        const message = this.#messageOf(id, { standing, percent, outlook }, atMs)
        const told = isTold ? message : null
        const row = { id, budgetId, tenantId, startMs: standing.startMs, percent, told, atMs }
        const isOurs = await insertCrossing(sql, row)
        if (!isOurs || !isTold) continue
        await tell(sql, tenantId, `budget.${message.kind}`, message)
        await insertMails(sql, id, emails, new Date(atMs))
      }
    })
  }

  #messageOf(id: string, { standing, percent, outlook }: Crossing, atMs: number): AlertMessage {
    const { currency, nameOf } = this.#options
    const { budget, spent, endMs } = standing
    const { unit, limit, isHard } = budget
    const iso = (ms: number) => new Date(ms).toISOString()
    const written = (amount: bigint) => limitAsWritten(unit, amount)
    const forecast = outlook.kind === 'empty' ? outlook.forecast : null
    return {
      id,
      budgetId: budget.id,
      budgetName: budget.name,
      tenantId: budget.tenantId,
      tenantName: nameOf(budget.tenantId),
      kind: percent === 0 ? 'forecast' : 'threshold',
      percent: percent === 0 ? null : percent,
      unit,
      currency: unit === 'money' ? currency : null,
      limit: written(limit),
      spent: written(spent),
      isHard,
      renewsAt: endMs === Number.POSITIVE_INFINITY ? null : iso(endMs),
      emptyAt: forecast && {
        expected: iso(forecast.expectedMs),
        earliest: iso(forecast.earliestMs),
        latest: forecast.latestMs === null ? null : iso(forecast.latestMs),
      },
      at: iso(atMs),
    }
  }

  #usedBy(budgets: readonly Budget[]): Promise<Map<string, readonly UsageRow[]>> {
    const { database, clock } = this.#options
    return hourlyUse(database.sql, budgets, clock.nowMs())
  }
}

/** An hour is over before it helps to know, and hours are not kept by end user. */
const hasOutlook = ({ period, endUser }: Budget) => period !== 'hour' && endUser === null

function spentIn(used: readonly UsageRow[], unit: Budget['unit']): HourSpent[] {
  return used.map((row) => {
    const amounts = {
      money: BigInt(row.chargeNanos),
      tokens: BigInt(row.inputTokens + row.outputTokens),
      engine_seconds: BigInt(row.engineMs),
    }
    return { atMs: Date.parse(row.hour ?? ''), amount: amounts[unit] }
  })
}
