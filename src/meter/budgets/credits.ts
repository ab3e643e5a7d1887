/**
 * Prepaid credit: rows that are only added. Their sum is the limit of a hard budget that the tenant
 * has for it, so what keeps any budget from being passed keeps the credit; nothing else does.
 */
import { createHash } from 'node:crypto'
import { type Clock, decimalOf, GristmillError, newId, type Random } from '../../base/index.ts'
import type { Database, Queries, Transaction } from '../../store/index.ts'
import type { Actor, AuditLog } from '../../tenancy/index.ts'
import { insertBudget } from './budget-rows.ts'
import type { Budget } from './budget-types.ts'
import type { Budgets } from './budgets.ts'
import { type CreditInput, creditNanosOf } from './credit-input.ts'
import {
  type Credit,
  type CreditKey,
  findByKey,
  insertCredit,
  insertKey,
  lockPrepaid,
} from './credit-rows.ts'

export interface CreditsOptions {
  database: Database
  audit: AuditLog
  clock: Clock
  random: Random
  /** Where the change is read before an answer. */
  budgets: Pick<Budgets, 'refresh'>
}

export interface BookedCredit {
  credit: Credit
  /** True where an earlier request with the same key booked it. */
  isRepeated: boolean
}

/** As errors and headers name it. */
export const PREPAID_NAME = 'prepaid credit'

/** How long gateways are waited for that have leased of it, and how often they are asked. */
const WAIT_MS = 1000
const ASK_EVERY_MS = 100

export class Credits {
  readonly #options: CreditsOptions

  constructor(options: CreditsOptions) {
    this.#options = options
  }

  /**
   * Adds a row; the first of a tenant makes its budget. From then on requests are let in as far as
   * the credit goes.
   * @param key of one actor: what was booked by it is not booked again. It is written by the
   *   transaction that books, so that whatever dies, both are there or neither
   * @throws GristmillError `idempotency_key_reused`; `conflict` where more is to be paid back than
   *   is left, or requests that run may still need it; where a correction takes more than was ever
   *   paid in
   */
  async book(input: CreditInput, actor: Actor, key?: string): Promise<BookedCredit> {
    const { database, clock, budgets } = this.#options
    const by = key === undefined ? undefined : creditKey(input, actor, key)
    const untilMs = clock.monotonicMs() + WAIT_MS
    for (;;) {
      const booked = await database.transaction(async (sql) => {
        const before = by && (await findByKey(sql, by))
        if (before) return { credit: before, isRepeated: true }
        const credit = await this.#tryToBook(sql, input, actor)
        if (typeof credit === 'string') return credit
        if (by) await insertKey(sql, by, credit.id)
        return { credit, isRepeated: false }
      })
      if (typeof booked !== 'string') {
        await budgets.refresh(booked.credit.budgetId)
        return booked
      }
      if (clock.monotonicMs() >= untilMs) {
        throw conflict('what is left is set aside for requests that run')
      }
      await database.sql`select pg_notify('budgets', ${`wanted||${booked}`})`
      await clock.sleep(ASK_EVERY_MS)
    }
  }

  /** @returns the counter that gateways have leased too much of, where nothing was booked */
  async #tryToBook(
    sql: Transaction,
    { tenantId, kind, amount, note }: CreditInput,
    actor: Actor,
  ): Promise<Credit | string> {
    const { audit, clock, random } = this.#options
    const nanos = creditNanosOf({ kind, amount })
    const now = new Date(clock.nowMs())
    const account = (await lockPrepaid(sql, tenantId)) ?? (await this.#open(sql, tenantId, now))
    if (account.limit + nanos < 0n) throw conflict('that is more than was paid in')
    if (kind === 'refund') {
      const left = account.limit - account.spent
      if (left + nanos < 0n) throw conflict(`no more than ${decimalOf(left)} is left`)
      if (left - account.leased + nanos < 0n) return account.counterId
    }
    const id = newId('crd', clock, random)
    const { budgetId } = account
    const credit = { id, tenantId, budgetId, kind, nanos, note, actor: actor.name, at: now }
    await insertCredit(sql, credit, account.spent)
    const detail = { kind, amount: decimalOf(nanos), note }
    await audit.record(actor, { action: 'credit.book', subject: id, tenantId, detail }, sql)
    return credit
  }

  async #open(sql: Queries, tenantId: string, now: Date) {
    const { clock, random } = this.#options
    const budget: Budget = {
      id: newId('bud', clock, random),
      name: PREPAID_NAME,
      tenantId,
      ...{ projectId: null, keyId: null, endUser: null, unit: 'money', limit: 0n },
      ...{ period: 'total', isHard: true, clamps: false, isPrepaid: true, createdAt: now },
    }
    await insertBudget(sql, budget)
    const counterId = `${budget.id}|0|`
    return { budgetId: budget.id, counterId, limit: 0n, spent: 0n, leased: 0n }
  }
}

function creditKey(input: CreditInput, { name }: Actor, key: string): CreditKey {
  const bodySha256 = createHash('sha256').update(JSON.stringify(input)).digest('hex')
  return { actor: name, key, bodySha256 }
}

const conflict = (reason: string) => new GristmillError('conflict', { reason })
