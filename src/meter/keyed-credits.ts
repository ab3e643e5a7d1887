/**
 * Credit that is booked once for each `Idempotency-Key` of somebody: the key is written by the
 * transaction that books, so whatever dies at whatever moment, both are there or neither.
 */
import { createHash } from 'node:crypto'
import { GristmillError } from '../base/index.ts'
import type { Queries, Transaction } from '../store/index.ts'
import type { Actor } from '../tenancy/index.ts'
import type { CreditInput } from './budgets/credit-input.ts'
import type { Credit } from './budgets/credit-rows.ts'
import { Credits, type CreditsOptions } from './budgets/credits.ts'

export interface BookedCredit {
  credit: Credit
  /** True where an earlier request with the same key booked it. */
  isRepeated: boolean
}

interface Key {
  actor: string
  key: string
  bodySha256: string
}

export class KeyedCredits {
  readonly #options: CreditsOptions

  constructor(options: CreditsOptions) {
    this.#options = options
  }

  /**
   * As `Credits.book`.
   * @param key undefined: booked as often as it is asked for
   * @throws GristmillError `idempotency_key_reused` where the key booked something else
   */
  async book(input: CreditInput, actor: Actor, key: string | undefined): Promise<BookedCredit> {
    if (key === undefined) {
      return { credit: await new Credits(this.#options).book(input, actor), isRepeated: false }
    }
    const bodySha256 = createHash('sha256').update(JSON.stringify(input)).digest('hex')
    try {
      const credits = this.#noting({ actor: actor.name, key, bodySha256 })
      return { credit: await credits.book(input, actor), isRepeated: false }
    } catch (thrown) {
      if (!(thrown instanceof Booked)) throw thrown
      return { credit: thrown.credit, isRepeated: true }
    }
  }

  /** Credits whose transactions look for the key first, and note what they booked by it. */
  #noting(key: Key): Credits {
    const { database } = this.#options
    const transaction = <T>(work: (sql: Transaction) => Promise<T>): Promise<T> =>
      database.transaction(async (sql) => {
        await refuseBooked(sql, key)
        const booked = await work(sql)
        if (isCredit(booked)) await note(sql, key, booked.id)
        return booked
      })
    return new Credits({ ...this.#options, database: { ...database, transaction } })
  }
}

/** Ends a transaction that has nothing to do. */
class Booked extends Error {
  readonly credit: Credit

  constructor(credit: Credit) {
    super(`${credit.id} was booked by this key`)
    this.credit = credit
  }
}

/** Where credit is waited for nothing is booked yet. */
const isCredit = (booked: unknown): booked is Credit =>
  typeof booked === 'object' && booked !== null && 'nanos' in booked

/** Of requests with the same key at once, the second waits for the end of the first. */
async function refuseBooked(sql: Queries, { actor, key, bodySha256 }: Key): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`credit ${actor} ${key}`}, 0))`
  const [row] = await sql<(Omit<Credit, 'nanos'> & { nanos: string; bodySha256: string })[]>`
    select c.id, c.tenant_id as "tenantId", c.budget_id as "budgetId", c.kind,
      c.amount_nanos::text as nanos, c.note, c.actor, c.at, k.body_sha256 as "bodySha256"
    from credit_keys as k join credits as c on c.id = k.credit_id
    where k.actor = ${actor} and k.key = ${key}`
  if (row === undefined) return
  const { bodySha256: before, ...credit } = row
  if (before !== bodySha256) throw new GristmillError('idempotency_key_reused')
  throw new Booked({ ...credit, nanos: BigInt(credit.nanos) })
}

async function note(sql: Queries, { actor, key, bodySha256 }: Key, creditId: string) {
  await sql`
    insert into credit_keys (actor, key, body_sha256, credit_id)
    values (${actor}, ${key}, ${bodySha256}, ${creditId})`
}
