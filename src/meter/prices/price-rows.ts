/** The table of prices; it can only grow. */
import type { ServiceClass } from '../../base/index.ts'
import type { Queries } from '../../store/index.ts'
import type { Price } from './price-types.ts'

interface PriceRow {
  version: number
  model: string
  serviceClass: ServiceClass | null
  plan: string | null
  effectiveAt: Date
  ends: boolean
  currency: string
  /** In the order of the columns. */
  nanos: string[]
  hitMillionths: number
  note: string
  actor: string
  at: Date
}

/** All there have been. */
export async function readPrices(sql: Queries): Promise<{ prices: Price[]; currencies: string[] }> {
  const rows = await sql<PriceRow[]>`
    select version, model, service_class as "serviceClass", plan, effective_at as "effectiveAt",
      ends, currency, json_build_array(input_nanos::text, cached_input_nanos::text,
        cache_write_nanos::text, output_nanos::text, reasoning_nanos::text, embedding_nanos::text,
        request_nanos::text, engine_second_nanos::text) as nanos,
      hit_millionths as "hitMillionths", note, actor, at
    from prices order by version`
  return {
    prices: rows.map(priceOf),
    currencies: [...new Set(rows.map(({ currency }) => currency))],
  }
}

function priceOf(row: PriceRow): Price {
  const { version, model, serviceClass, plan, effectiveAt, ends, note, actor, at } = row
  const nanos = (place: number) => BigInt(row.nanos[place] ?? 0)
  const rates = {
    input: nanos(0),
    cachedInput: nanos(1),
    cacheWrite: nanos(2),
    output: nanos(3),
    reasoning: nanos(4),
    embedding: nanos(5),
    request: nanos(6),
    engineSecond: nanos(7),
    hitMillionths: BigInt(row.hitMillionths),
  }
  return {
    version,
    model,
    serviceClass,
    plan,
    effectiveAtMs: effectiveAt.getTime(),
    rates: ends ? null : rates,
    note,
    actor,
    atMs: at.getTime(),
  }
}

/**
 * Adds prices under the next versions; nobody else adds any meanwhile.
 * @param sql the transaction
 */
export async function insertPrices(
  sql: Queries,
  prices: readonly Omit<Price, 'version'>[],
  currency: string,
): Promise<Price[]> {
  await sql`lock table prices in share row exclusive mode`
  const [newest] = await sql<{ version: number }[]>`
    select coalesce(max(version), 0) as version from prices`
  const first = (newest?.version ?? 0) + 1
  const added = prices.map((price, index) => ({ ...price, version: first + index }))
  for (const { rates, ...price } of added) {
    const text = (nanos: bigint | undefined) => String(nanos ?? 0n)
    await sql`
      insert into prices (version, model, service_class, plan, effective_at, ends, currency,
        input_nanos, cached_input_nanos, cache_write_nanos, output_nanos, reasoning_nanos,
        embedding_nanos, request_nanos, engine_second_nanos, hit_millionths, note, actor, at)
      values (${price.version}, ${price.model}, ${price.serviceClass}, ${price.plan},
        ${new Date(price.effectiveAtMs)}, ${rates === null}, ${currency}, ${text(rates?.input)},
        ${text(rates?.cachedInput)}, ${text(rates?.cacheWrite)}, ${text(rates?.output)},
        ${text(rates?.reasoning)}, ${text(rates?.embedding)}, ${text(rates?.request)},
        ${text(rates?.engineSecond)}, ${text(rates?.hitMillionths)}, ${price.note},
        ${price.actor}, ${new Date(price.atMs)})`
  }
  return added
}
