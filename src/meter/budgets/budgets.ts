/**
 * The budgets of this installation: those that hold, in memory, where every gateway has a change as
 * soon as it is made; and the way in for requests.
 */
import {
  type Clock,
  decimalOf,
  GristmillError,
  type Logger,
  newId,
  type Random,
  Reading,
} from '../../base/index.ts'
import type { Database, Queries } from '../../store/index.ts'
import type { Actor, AuditLog } from '../../tenancy/index.ts'
import { type BudgetChange, type BudgetInput, limitIn } from './budget-input.ts'
import { type Applied, BudgetList, budgetOf, standingOf } from './budget-list.ts'
import {
  endBudget,
  expireLeases,
  insertBudget,
  lockBudget,
  readBegun,
  readBudgets,
  readCounters,
  updateBudget,
} from './budget-rows.ts'
import type { Budget, BudgetStanding, Spender } from './budget-types.ts'
import { lockAccount } from './credit-rows.ts'
import type { Hold } from './hold.ts'
import { LeaseKeeper } from './lease-keeper.ts'
import { type BudgetRequest, reserve } from './reserving.ts'

export interface BudgetsOptions {
  database: Database
  audit: AuditLog
  clock: Clock
  random: Random
  logger: Logger
  currency: string
  /** By whose days a tenant's budgets renew. */
  zoneOf: (tenantId: string) => string
  /** Longest wait for what is set aside for others, milliseconds. */
  waitMsMax: number
  /** How long a lease lasts that is not renewed, milliseconds. */
  leaseMs: number
  /** Tells the data home of this gateway from others; one process at a time has it. */
  gatewayId: string
  /** True where no other gateway shares the database. */
  isAlone: boolean
}

export class Budgets {
  readonly #options: BudgetsOptions
  readonly #keeper: LeaseKeeper
  readonly #holder: string
  #list: BudgetList
  readonly #reading: Reading
  /** What has changed since the last reading began. */
  #toRead: Set<string> | 'all' = new Set()
  #unlisten: (() => void) | undefined
  readonly #listeners = new Set<(tenantIds: ReadonlySet<string>) => void>()

  constructor(options: BudgetsOptions) {
    const { database, clock, random, logger, leaseMs, gatewayId, isAlone } = options
    this.#options = options
    this.#holder = `${gatewayId}:${newId('run', clock, random)}`
    const holder = this.#holder
    this.#keeper = new LeaseKeeper({ database, clock, logger, holder, leaseMs, isAlone })
    this.#list = new BudgetList([], options.zoneOf)
    this.#reading = new Reading({
      clock,
      read: () => this.#read(),
      onFailing: (error) =>
        logger.warn({ err: error }, 'the budgets could not be read; the ones before hold'),
    })
  }

  /**
   * Reads the budgets and listens for changes. What earlier runs of this gateway had leased ends;
   * the journal that they left has to be in the database.
   */
  async open(): Promise<void> {
    const { database, gatewayId } = this.#options
    await expireLeases(database.sql, `${gatewayId}:`, this.#holder)
    const look = (id?: string) => {
      this.#changed(id)
      this.#reading.soon()
    }
    const heard = (payload: string) => {
      const [what, id] = payload.split('|')
      if (what === 'changed') look(id)
      else this.#keeper.heard(payload)
    }
    this.#unlisten = await database.listen('budgets', heard, (state) => {
      if (state === 'up') look()
    })
    await this.refresh()
  }

  /** Gives back what is leased and not in use; what runs is still booked when it ends. */
  async close(): Promise<void> {
    this.#unlisten?.()
    void this.#reading.stop()
    await this.#keeper.close()
  }

  get isEmpty(): boolean {
    return this.#list.isEmpty
  }

  /** Calls back with the tenants whose budgets have changed; returns what ends that. */
  onChange(listener: (tenantIds: ReadonlySet<string>) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Sets aside what a request can cost at most.
   * @returns null where no budget applies; a promise where it has to ask or to wait
   * @throws GristmillError `budget_unbounded`; later also `budget_exceeded`, `budget_used_up`,
   *   `budget_reserved`, `ledger_unavailable`
   */
  hold(spender: Spender, request: BudgetRequest): Hold | Promise<Hold> | null {
    const { clock, currency, waitMsMax } = this.#options
    const applied = this.#list.for(spender, clock.nowMs())
    if (applied.length === 0) return null
    return reserve({ keeper: this.#keeper, clock, currency, waitMsMax }, applied, request)
  }

  /** How the budgets stand that apply to whoever asks. */
  standings(spender: Spender): Promise<BudgetStanding[]> {
    return this.#standingsOf(this.#list.for(spender, this.#options.clock.nowMs()))
  }

  /** All budgets of tenants as they stand. @param tenantIds undefined: of all */
  list(tenantIds?: readonly string[]): Promise<BudgetStanding[]> {
    const applied = this.#list.all(this.#options.clock.nowMs())
    return this.#standingsOf(
      applied.filter(({ budget }) => tenantIds?.includes(budget.tenantId) ?? true),
    )
  }

  /** @throws GristmillError `not_found` */
  get(id: string): Budget {
    const found = this.#list.budgets.find((budget) => budget.id === id)
    if (found === undefined) throw new GristmillError('not_found', { kind: 'budget', id })
    return found
  }

  /** @throws GristmillError `invalid_value` */
  async create(input: BudgetInput, actor: Actor): Promise<Budget> {
    const { database, clock, random, audit } = this.#options
    const { limit, projectId, keyId, endUser, ...given } = input
    const budget: Budget = {
      ...given,
      id: newId('bud', clock, random),
      projectId: projectId ?? null,
      keyId: keyId ?? null,
      endUser: endUser ?? null,
      limit: limitIn(input.unit, limit),
      isPrepaid: false,
      createdAt: new Date(clock.nowMs()),
    }
    await database.transaction(async (sql) => {
      await insertBudget(sql, budget)
      await audit.record(actor, entryOf('budget.create', budget), sql)
    })
    await this.refresh(budget.id)
    return budget
  }

  /**
   * Fields that are not named stay.
   * @throws GristmillError `not_found`, `invalid_value`; `conflict` of prepaid credit
   */
  async change(id: string, change: BudgetChange, actor: Actor): Promise<Budget> {
    const { database, audit } = this.#options
    const { limit, ...given } = change
    const named = Object.entries(given).filter(([, value]) => value !== undefined)
    const changed = await database.transaction(async (sql) => {
      const before = await lockBudget(sql, id)
      if (before === undefined) throw new GristmillError('not_found', { kind: 'budget', id })
      if (before.isPrepaid) throw prepaidConflict('its rows of credit make its limit')
      const budget: Budget = {
        ...before,
        ...Object.fromEntries(named),
        ...(limit !== undefined && { limit: limitIn(before.unit, limit) }),
      }
      await updateBudget(sql, budget)
      await audit.record(actor, entryOf('budget.change', budget), sql)
      return budget
    })
    await this.refresh(id)
    return changed
  }

  /**
   * Ends a budget: nothing is refused for it any more.
   * @throws GristmillError `not_found`; `conflict` where prepaid credit is left
   */
  async end(id: string, actor: Actor): Promise<void> {
    const { database, audit, clock } = this.#options
    const budget = this.get(id)
    await database.transaction(async (sql) => {
      if (budget.isPrepaid) await refuseLeft(sql, id)
      await endBudget(sql, id, new Date(clock.nowMs()))
      await audit.record(actor, entryOf('budget.end', budget), sql)
    })
    await this.refresh(id)
  }

  async #standingsOf(applied: readonly Applied[]): Promise<BudgetStanding[]> {
    const ids = applied.map(({ counterId }) => counterId)
    const counters = await readCounters(this.#options.database.sql, ids)
    return applied.map((one) => standingOf(one, counters))
  }

  /**
   * Reads anew; whoever asks while it is being read shares the next reading.
   * @param id of a budget that has changed; undefined: any may have
   */
  refresh(id?: string): Promise<void> {
    this.#changed(id)
    return this.#reading.now()
  }

  #changed(id: string | undefined): void {
    if (id === undefined) this.#toRead = 'all'
    else if (this.#toRead !== 'all') this.#toRead.add(id)
  }

  async #read(): Promise<void> {
    const before = new Map(this.#list.budgets.map((budget) => [budget.id, budget]))
    await this.#readList()
    const changed = new Set(before.keys())
    for (const { id, limit, isHard } of this.#list.budgets) {
      const old = before.get(id)
      if (old?.limit === limit && old.isHard === isHard) changed.delete(id)
    }
    if (changed.size === 0) return
    // A limit that is lower now holds at once for what is not set aside.
    await this.#keeper.giveBack((counterId) => changed.has(budgetOf(counterId)))
    const tenantIds = new Set([...changed].flatMap((id) => before.get(id)?.tenantId ?? []))
    for (const listener of this.#listeners) listener(tenantIds)
  }

  async #readList(): Promise<void> {
    const { database, zoneOf } = this.#options
    const ids = this.#toRead === 'all' ? undefined : this.#toRead
    this.#toRead = new Set()
    try {
      const budgets = await readBudgets(database.sql, ids)
      const begunMs = await readBegun(database.sql, ids)
      this.#list = ids
        ? this.#list.after(ids, budgets, begunMs)
        : new BudgetList(budgets, zoneOf, begunMs)
    } catch (error) {
      this.#toRead = 'all'
      throw error
    }
  }
}

/** @throws GristmillError `conflict` */
async function refuseLeft(sql: Queries, id: string): Promise<void> {
  const { limit, spent } = await lockAccount(sql, id)
  if (limit > spent) throw prepaidConflict(`${decimalOf(limit - spent)} is left to be refunded`)
}

const prepaidConflict = (reason: string) =>
  new GristmillError('conflict', { reason: `it is prepaid credit: ${reason}` })

function entryOf(action: string, { id, tenantId, name, unit, limit, period, isHard }: Budget) {
  const detail = { name, unit, limit: limit.toString(), period, isHard }
  return { action, subject: id, tenantId, detail }
}
