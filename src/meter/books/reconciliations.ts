/**
 * Reconciliations on the ledger: kept line by line, with what somebody answers for. Differences of
 * a newest reconciliation that are too large and that nobody answers for keep a period open.
 */
import { type Clock, decimalOf, GristmillError } from '../../base/index.ts'
import type { Database, Queries } from '../../store/index.ts'
import type { Actor, AuditLog } from '../../tenancy/index.ts'
import { settledWithin } from '../usage-hours.ts'
import { type BilledUse, type OwnUse, reconcile } from './reconcile.ts'
import {
  insertLines,
  insertReconciliation,
  type Reconciliation,
  type ReconciliationLine,
  readLine,
  readReconciliation,
} from './reconciliation-rows.ts'

export interface ReconciliationsOptions {
  database: Database
  audit: Pick<AuditLog, 'record'>
  clock: Clock
}

export interface Reconciling {
  source: string
  /** Of the file, in hexadecimal. */
  sha256: string
  /** Days in UTC; `toDay` exclusive. */
  fromDay: string
  toDay: string
  thresholdNanos: bigint
  /** Engines, by name, whose work this source bills; undefined means all. */
  engines?: readonly string[] | undefined
  rows: readonly BilledUse[]
}

export class Reconciliations {
  readonly #options: ReconciliationsOptions

  constructor(options: ReconciliationsOptions) {
    this.#options = options
  }

  /**
   * Compares what a service billed with the ledger, and keeps what was found.
   * @throws GristmillError `invalid_value` where a row is not of these days
   */
  reconcile(given: Reconciling, actor: Actor): Promise<Reconciliation> {
    const { database, audit, clock } = this.#options
    const { fromDay, toDay, rows, source } = given
    const outside = rows.find(({ day }) => day < fromDay || day >= toDay)
    if (outside !== undefined) {
      const reason = `${outside.day} is not within ${fromDay} and ${toDay}`
      throw new GristmillError('invalid_value', { param: 'rows', reason })
    }
    return database.transaction(async (sql) => {
      const lines = reconcile(await readOwnUse(sql, given), rows)
      const head = { ...given, actor: actor.name, atMs: clock.nowMs() }
      const id = await insertReconciliation(sql, head)
      await insertLines(sql, id, lines)
      const detail = { source, fromDay, toDay, sha256: given.sha256, lines: lines.length }
      const entry = { action: 'ledger.reconcile', subject: `reconciliation:${id}`, detail }
      await audit.record(actor, { ...entry, tenantId: null }, sql)
      return (await readReconciliation(sql, id)) as Reconciliation
    })
  }

  /**
   * Books the difference of a line as a variance: a new row, that somebody answers for.
   * @throws GristmillError `not_found`; `conflict` where it is booked, or there is no difference
   */
  book(id: number, line: number, reason: string, actor: Actor): Promise<ReconciliationLine> {
    const { database, audit, clock } = this.#options
    return database.transaction(async (sql) => {
      // One at a time, so that nothing is booked twice.
      await sql`lock table ledger_variances in share row exclusive mode`
      const found = await readLine(sql, id, line)
      if (!found) throw new GristmillError('not_found', { kind: 'line', id: `${id}/${line}` })
      if (found.variance !== null) throw refused(`${found.variance.actor} has booked it already`)
      if (found.class === 'matched') throw refused('the line has no difference')
      const amount = found.differenceNanos
      await sql`
        insert into ledger_variances (reconciliation_id, line, source, day, model, key,
          amount_nanos, reason, actor, at)
        select r.id, ${line}, r.source, l.day, l.model, l.key, ${String(amount)}, ${reason},
          ${actor.name}, to_timestamp(${clock.nowMs()}::float8 / 1000)
        from reconciliations as r join reconciliation_lines as l on l.reconciliation_id = r.id
        where r.id = ${id} and l.line = ${line}`
      const { day, model, key } = found
      const detail = { day, model, key, amount: decimalOf(amount), reason }
      const entry = { action: 'ledger.variance', subject: `reconciliation:${id}`, detail }
      await audit.record(actor, { ...entry, tenantId: null }, sql)
      return (await readLine(sql, id, line)) as ReconciliationLine
    })
  }
}

const refused = (reason: string) => new GristmillError('conflict', { reason })

/** Work of rented targets; a target that is of one engine is named `MODEL@ENGINE`. */
async function readOwnUse(
  sql: Queries,
  { fromDay, toDay, engines }: Pick<Reconciling, 'fromDay' | 'toDay' | 'engines'>,
): Promise<OwnUse[]> {
  const rented: ReturnType<Queries> = sql`and rented_target is not null`
  const used = settledWithin(sql, Date.parse(fromDay), Date.parse(toDay), rented)
  const rows = await sql<(Omit<OwnUse, 'nanos'> & { nanos: string })[]>`
    select to_char(hour at time zone 'UTC', 'YYYY-MM-DD') as day,
      regexp_replace(rented_target, '@[^@]*$', '') as model,
      coalesce(substring(rented_target from '@([^@]*)$'), '') as key,
      sum(requests)::int8 as requests, sum(input_tokens + output_tokens)::int8 as tokens,
      sum(spend_nanos)::text as nanos
    from (${used}) as used group by 1, 2, 3`
  const isBilled = ({ key }: OwnUse) => engines?.includes(key) ?? true
  return rows.map((row) => ({ ...row, nanos: BigInt(row.nanos) })).filter(isBilled)
}
