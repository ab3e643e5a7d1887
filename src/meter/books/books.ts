/**
 * Closing periods, and opening them again. One closing at a time: the table of statements is
 * locked, so numbers have no gap and the chain has no branch.
 */
import { type Clock, decimalOf, GristmillError } from '../../base/index.ts'
import type { Database, Transaction } from '../../store/index.ts'
import type { Actor, Tenancy } from '../../tenancy/index.ts'
import { readDiscounts, readPlans } from '../discounts/discounts.ts'
import type { IdleRule } from './chargeback-types.ts'
import { readCreditUse } from './credit-use.ts'
import { openBefore } from './open-requests.ts'
import { type PeriodCosts, periodCosts } from './period.ts'
import { refuseUnreconciled } from './reconciliation-rows.ts'
import { FIRST_HASH, hashOf, StatementSigner } from './statement-chain.ts'
import { allocationOf, creditNoteOf, statementOf, textOf } from './statement-document.ts'
import {
  insertStatement,
  lockStatements,
  readStatement,
  readStatements,
  readUsageLines,
  standingStatements,
} from './statement-rows.ts'
import type { AnyDocument, Statement, StatementBasis } from './statement-types.ts'

export interface BooksOptions {
  database: Database
  tenancy: Pick<Tenancy, 'audit' | 'tenants'>
  /** What it has that the database does not; absent where nothing is booked in this process. */
  ledger?: { unbookedSinceMs(): number }
  clock: Clock
  currency: string
  /** Who statements are from, line by line. */
  issuer?: string | undefined
  /** 32 secret bytes that statements are signed with; the same over restarts. */
  seed: Uint8Array
}

export interface Closing {
  /** Whole minutes, milliseconds since the epoch; `toMs` exclusive. */
  fromMs: number
  toMs: number
  rule: IdleRule
  basis: StatementBasis
  /** Only these; undefined means all that used or shared something and are not closed yet. */
  tenantIds?: readonly string[] | undefined
}

export interface Closed {
  statements: Statement[]
  /** What should be known of it, in sentences. */
  warnings: string[]
}

/** Minutes of engines are written when they have ended, settlements soon after requests have. */
const SETTLED_MS = 120_000
const IDS_NAMED = 5

export class Books {
  readonly #options: BooksOptions
  readonly #signer: StatementSigner

  constructor(options: BooksOptions) {
    this.#options = options
    this.#signer = new StatementSigner(options.seed)
  }

  /** What checks the signatures of this installation, in hexadecimal. */
  get publicKey(): string {
    return this.#signer.publicKey
  }

  /**
   * Closes a period: a statement for each tenant.
   * @throws GristmillError `period_refused` where it has not ended, requests of it are open, a
   *   service billed something else that nobody answers for, it is closed, or others of it are
   *   closed at other costs
   */
  close(closing: Closing, actor: Actor): Promise<Closed> {
    const { database, clock, ledger } = this.#options
    const { fromMs, toMs, rule } = closing
    if (toMs + SETTLED_MS > clock.nowMs()) {
      throw refused(`the period has to have ended ${SETTLED_MS / 60_000} minutes ago`)
    }
    if (ledger !== undefined && ledger.unbookedSinceMs() < toMs) {
      throw refused('requests of it are still in the journal; close it once they are booked')
    }
    return database.transaction(async (sql) => {
      await lockStatements(sql)
      await refuseOpen(sql, toMs)
      await refuseUnreconciled(sql, fromMs, toMs)
      const costs = await periodCosts(sql, fromMs, toMs, rule, 'records')
      const usage = await readUsageLines(sql, fromMs, toMs)
      const credit = await readCreditUse(sql, fromMs, toMs)
      const plans = await readPlans(sql)
      const all = tenantsIn(costs, [...usage.keys(), ...credit.keys()])
      const tenantIds = await closable(sql, costs, closing.tenantIds ?? all)
      const statements: Statement[] = []
      for (const tenantId of tenantIds) {
        const tenantName = await this.#nameOf(tenantId)
        const { currency, issuer } = this.#options
        const plan = plans.get(tenantId) ?? null
        const discounts =
          closing.basis === 'prices'
            ? await readDiscounts(sql, { tenantId, fromMs, toMs, plan })
            : undefined
        const more = { credit: credit.get(tenantId), discounts }
        const head = { tenantId, tenantName, currency, issuer, basis: closing.basis }
        const make = (number: number) =>
          statementOf({ ...head, number }, costs, usage.get(tenantId) ?? [], more)
        statements.push(await this.#append(sql, make, actor, 'ledger.close'))
      }
      return { statements, warnings: warningsOf(costs) }
    })
  }

  /**
   * Takes a statement back by a credit note; its period can be closed again.
   * @throws GristmillError `not_found`; `period_refused` where it is no statement or taken back
   */
  reopen(number: number, reason: string, actor: Actor): Promise<Statement> {
    return this.#options.database.transaction(async (sql) => {
      await lockStatements(sql)
      const found = await readStatement(sql, number)
      if (!found) throw new GristmillError('not_found', { kind: 'statement', id: String(number) })
      const { document, correctedBy } = found
      if (document.kind !== 'statement') throw refused(`${number} is a credit note`)
      if (correctedBy !== null)
        throw refused(`credit note ${correctedBy} has taken it back already`)
      const make = (next: number) => creditNoteOf(document, next, reason)
      return this.#append(sql, make, actor, 'ledger.reopen')
    })
  }

  async #append(
    sql: Transaction,
    make: (number: number) => AnyDocument,
    actor: Actor,
    action: string,
  ): Promise<Statement> {
    const { clock, tenancy } = this.#options
    const [last] = await readStatements(sql, {}, 1)
    const number = (last?.number ?? 0) + 1
    const document = make(number)
    const text = textOf(document)
    const previousHash = last?.hash ?? FIRST_HASH
    const hash = hashOf(previousHash, text)
    const { publicKey } = this.#signer
    const signed = { previousHash, hash, signature: this.#signer.sign(hash), publicKey }
    const closed = { closedAtMs: clock.nowMs(), actor: actor.name }
    const statement = { number, document, text, ...signed, ...closed, correctedBy: null }
    await insertStatement(sql, statement)
    const { tenantId, fromAt, toAt, total } = document
    const detail = { number, from: fromAt, to: toAt, total, hash }
    const entry = { action, subject: `statement:${number}`, tenantId, detail }
    await tenancy.audit.record(actor, entry, sql)
    return statement
  }

  /** Tenants of the ledger may be older than what is known of tenants. */
  async #nameOf(tenantId: string): Promise<string> {
    try {
      return (await this.#options.tenancy.tenants.get(tenantId)).name
    } catch (error) {
      if (error instanceof GristmillError && error.code === 'not_found') return tenantId
      throw error
    }
  }
}

const refused = (reason: string) => new GristmillError('period_refused', { reason })

async function refuseOpen(sql: Transaction, toMs: number): Promise<void> {
  const { ids, count } = await openBefore(sql, toMs, IDS_NAMED)
  if (count === 0) return
  const more = count > ids.length ? ` and ${count - ids.length} more` : ''
  throw refused(`requests that came before its end are open: ${ids.join(', ')}${more}`)
}

/** @returns those of the tenants that are not closed, in their order */
async function closable(
  sql: Transaction,
  costs: PeriodCosts,
  tenantIds: readonly string[],
): Promise<string[]> {
  const standing = await standingStatements(sql, costs.fromMs, costs.toMs)
  const { digest } = allocationOf(costs)
  for (const { number, document } of standing) {
    if (document.kind !== 'statement') continue
    const isSame =
      Date.parse(document.fromAt) === costs.fromMs && Date.parse(document.toAt) === costs.toMs
    if (isSame && document.allocation.digest !== digest) {
      throw refused(`statement ${number} closes it at other costs or by another rule`)
    }
    if (!isSame && tenantIds.includes(document.tenantId)) {
      throw refused(`statement ${number} closes a part of it`)
    }
  }
  const closed = new Set(standing.map(({ document }) => document.tenantId))
  const left = tenantIds.filter((id) => !closed.has(id))
  if (left.length === 0) throw refused('nobody used anything in it, or all are closed')
  return left.toSorted()
}

function tenantsIn({ lines, overflow }: PeriodCosts, users: Iterable<string>): string[] {
  const ids = [...lines, ...overflow].map(({ tenantId }) => tenantId).filter((id) => id !== null)
  return [...new Set([...ids, ...users])]
}

/** A thousandth may be clocks that were set; more is a measurement that went wrong. */
const UNEXPLAINED_SHARE = 1000n

function warningsOf({ engines }: PeriodCosts): string[] {
  return engines.flatMap(({ engineId, registeredUs, uncostedUs, unexplainedUs }) => {
    const hours = (us: bigint) => `${decimalOf((us * 1000n) / 3600n)} hours`
    const warnings: string[] = []
    if (uncostedUs > 0n) warnings.push(`${engineId}: no cost is set for ${hours(uncostedUs)}.`)
    if (unexplainedUs * UNEXPLAINED_SHARE > registeredUs) {
      warnings.push(`${engineId}: ${hours(unexplainedUs)} are in no measured part.`)
    }
    return warnings
  })
}
