/** After a crash: requests that were open are settled from their last durable progress. */
import type { Clock, Logger } from '../base/index.ts'
import type { Queries } from '../store/index.ts'
import { type OpenRow, readOpen, writeSettlements } from './ledger-rows.ts'
import { bookOpen } from './low-water.ts'
import type { PriceInForce } from './prices/price-types.ts'
import { priced } from './prices/priced.ts'
import type { Settlement, TokenCounts } from './types.ts'

/**
 * The exact count of a request that ended without us, from the engine that served it (null where
 * the crash came before that was durable); null where nobody knows.
 */
export type CountOf = (requestId: string, engineId: string | null) => Promise<TokenCounts | null>

/**
 * What the stored answers of these batch requests are charged with, by request; absent where no
 * answer was stored.
 */
export type StoredAnswers = (
  requestIds: readonly string[],
) => Promise<ReadonlyMap<string, TokenCounts>>

/** The price that held when an open request came; null: none did. */
export type PriceOf = (
  request: Pick<OpenRow, 'tenantId' | 'model' | 'serviceClass' | 'arrivedAtMs'>,
) => PriceInForce | null

export interface RecoveryOptions {
  sql: Queries
  clock: Clock
  logger: Logger
  countOf?: CountOf | undefined
  storedAnswers?: StoredAnswers | undefined
  priceOf?: PriceOf | undefined
  /** Only theirs, and those of before there were several; all where absent. */
  gateways?: readonly number[] | undefined
  /** Requests of this process, which are not to be touched. */
  isOurs: (requestId: string) => boolean
}

const PAGE_ROWS = 500
/** For all questions to engines together: a start must not wait for engines that are gone. */
const ASK_MS_MAX = 3000

/**
 * Settles every open request as `recovered`.
 * @returns how many
 * @throws what the database throws; what was settled before stays settled
 */
export async function recoverOpen(options: RecoveryOptions): Promise<number> {
  const { sql, clock, logger, isOurs } = options
  const askUntilMs = clock.monotonicMs() + ASK_MS_MAX
  await bookOpen(sql)
  let recovered = 0
  for (let after = ''; ; ) {
    const page = await readOpen(sql, after, PAGE_ROWS, options.gateways)
    const last = page.at(-1)
    if (!last) break
    after = last.requestId
    const rows = page.filter((row) => !isOurs(row.requestId))
    const people = rows.filter((row) => row.batchId === null)
    const lines = rows.filter((row) => row.batchId !== null)
    const counts = await askCounts(people, options, askUntilMs)
    const stored = await options.storedAnswers?.(lines.map((row) => row.requestId))
    const settledAtMs = clock.nowMs()
    const price = (row: OpenRow, settlement: Settlement) =>
      priced(settlement, options.priceOf?.(row) ?? null, row.endpoint)
    const settlements = [
      ...people.map((row, i) => price(row, recoveredSettlement(row, counts[i], settledAtMs))),
      ...lines.map((row) =>
        price(row, lineSettlement(row, stored?.get(row.requestId), settledAtMs)),
      ),
    ]
    const refused = settlements.length > 0 ? await writeSettlements(sql, settlements) : []
    recovered += settlements.length - refused.length
  }
  if (recovered > 0) logger.warn({ recovered }, 'requests that a crash left open were settled')
  return recovered
}

async function askCounts(
  rows: OpenRow[],
  { countOf, clock, logger }: RecoveryOptions,
  untilMs: number,
): Promise<(TokenCounts | null)[]> {
  const leftMs = untilMs - clock.monotonicMs()
  if (!countOf || leftMs <= 0) return []
  const enough = new AbortController()
  const late = clock.sleep(leftMs, enough.signal).catch(() => undefined)
  const ask = async (row: OpenRow) => {
    // What was set aside for it may be spent by others already, but for what was durable.
    if (row.isBudgeted) return null
    try {
      return (await Promise.race([countOf(row.requestId, row.engineId), late])) ?? null
    } catch (error) {
      logger.debug({ err: error, requestId: row.requestId }, 'no engine knows the exact count')
      return null
    }
  }
  const counts = await Promise.all(rows.map(ask))
  enough.abort()
  return counts
}

/** A line's request is charged with its stored answer; without one it was work for nobody. */
function lineSettlement(
  row: OpenRow,
  stored: TokenCounts | undefined,
  settledAtMs: number,
): Settlement {
  const counts = stored ?? { inputTokens: 0, cachedTokens: 0, outputTokens: 0 }
  return { ...recoveredSettlement(row, null, settledAtMs), ...counts, estimated: false }
}

function recoveredSettlement(
  row: OpenRow,
  exact: TokenCounts | null | undefined,
  settledAtMs: number,
): Settlement {
  // An engine that was restarted may know the identifier but not the work done before.
  const known = exact && exact.outputTokens >= row.outputTokens ? exact : undefined
  const { inputTokens, cachedTokens, outputTokens } = known ?? row
  return {
    requestId: row.requestId,
    group: 'recovered',
    end: 'gateway_crash',
    estimated: known === undefined,
    servedClass: row.servedClass,
    engineId: row.engineId,
    inputTokens,
    cachedTokens,
    outputTokens,
    queueMs: row.queueMs,
    engineMs: row.engineMs,
    ttftMs: row.ttftMs,
    tokenGapMs: null,
    settledAtMs,
    isBudgeted: row.isBudgeted,
  }
}
