/**
 * What closed services charge by their public price pages, each with the day on which that was
 * read. Nobody is charged by them; they are what work is compared with.
 */
import { type Clock, GristmillError, nanosOf } from '../../base/index.ts'
import type { Database, Queries } from '../../store/index.ts'
import type { Actor, AuditLog } from '../../tenancy/index.ts'
import type { Rates } from './charge.ts'
import type { ListPriceInput } from './list-price-input.ts'
import { suppliedListPrices } from './supplied-list-prices.ts'

/** One model at the price of its service. */
export interface ListPrice extends ListPriceInput {
  /** As the price book has them, so that `charge` works with them; in `currency`. */
  rates: Rates
  /** Whole days since it was read. */
  ageDays: number
  /** True where that is more than it may be. */
  isOutdated: boolean
}

/** A list as it holds. */
export interface ListPriceList {
  /** null: the one that comes with the program. */
  version: number | null
  prices: readonly ListPriceInput[]
  note: string
  /** null of the one that comes with the program, as is the moment. */
  actor: string | null
  atMs: number | null
}

const DAY_MS = 86_400_000

/**
 * The prices of a list with their rates and their age. Pure.
 * @param prices as `readListPrices` gives them
 * @param daysMax older ones are outdated
 */
export function listPrices(
  prices: readonly ListPriceInput[],
  nowMs: number,
  daysMax: number,
): ListPrice[] {
  return prices.map((price) => {
    const ageDays = Math.max(0, Math.floor((nowMs - Date.parse(price.asOf)) / DAY_MS))
    return { ...price, rates: ratesOf(price), ageDays, isOutdated: ageDays > daysMax }
  })
}

function ratesOf(price: ListPriceInput): Rates {
  const nanos = (text: string) => nanosOf(text) ?? 0n
  const input = nanos(price.input)
  const output = nanos(price.output)
  return {
    input,
    cachedInput: nanos(price.cachedInput ?? price.input),
    cacheWrite: nanos(price.cacheWrite ?? price.input),
    output,
    reasoning: output,
    embedding: input,
    request: 0n,
    engineSecond: 0n,
    hitMillionths: 0n,
  }
}

/** The list that holds. */
export async function readListPrices(sql: Queries): Promise<ListPriceList> {
  const [row] = await sql<ListPriceRow[]>`
    select version, prices, note, actor, (extract(epoch from at) * 1000)::float8 as "atMs"
    from list_price_lists order by version desc limit 1`
  if (row === undefined || row.prices === null) return supplied
  return { ...row, prices: row.prices }
}

interface ListPriceRow {
  version: number
  prices: ListPriceInput[] | null
  note: string
  actor: string
  atMs: number
}

const supplied: ListPriceList = {
  version: null,
  prices: suppliedListPrices,
  note: '',
  actor: null,
  atMs: null,
}

export interface ListPriceChange {
  /** null: back to the list that comes with the program. */
  prices: readonly ListPriceInput[] | null
  note: string
}

/**
 * Puts a list in place of the one that holds, which stays in the database.
 * @throws GristmillError `invalid_value` where a price is of a day that is yet to come
 */
export async function replaceListPrices(
  { database, audit, clock }: { database: Database; audit: AuditLog; clock: Clock },
  { prices, note }: ListPriceChange,
  actor: Actor,
): Promise<void> {
  const nowMs = clock.nowMs()
  // Whoever reads a page east of here may be a day ahead.
  const early = prices?.find(({ asOf }) => Date.parse(asOf) > nowMs + DAY_MS)
  if (early !== undefined) {
    const reason = `${early.provider} ${early.model} is of a day that is yet to come`
    throw new GristmillError('invalid_value', { param: 'asOf', reason })
  }
  await database.transaction(async (sql) => {
    await sql`lock table list_price_lists in share row exclusive mode`
    const given = prices === null ? null : JSON.stringify(prices)
    const [row] = await sql<{ version: number }[]>`
      insert into list_price_lists (version, prices, note, actor, at)
      select coalesce(max(version), 0) + 1, ${given}::text::jsonb, ${note}, ${actor.name},
        ${new Date(nowMs)}
      from list_price_lists returning version`
    const subject = `list_prices:${row?.version}`
    const detail = { prices: prices?.length ?? null, note }
    const entry = { action: 'list_prices.replace', subject, tenantId: null, detail }
    await audit.record(actor, entry, sql)
  })
}
