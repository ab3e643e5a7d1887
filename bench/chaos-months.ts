/**
 * Chaos `months`: random months of engines and tenants, written as capacity rows; months of half a
 * day, so that costs and weights change among their few minutes. What the program charges each
 * tenant must be what an oracle in SQL finds over the same rows, and add up to what the engines
 * cost, under every rule of who pays for idle time. Half of what there is comes when sums were made
 * of the other half; parts of a month must cost the same with sums as without, and the whole of it
 * the same once its minutes are gone.
 */
import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { FakeClock, type Random, seededRandom } from '../src/base/index.ts'
import {
  addEngineCost,
  type CapacityMinute,
  type Chargeback,
  ChargebackSum,
  engineCosts,
  foldCosts,
  idleRules,
  readEngineMinutes,
  readWeights,
  recordCapacity,
  sumOfPeriod,
  weightSpans,
} from '../src/meter/index.ts'
import { openTestDatabase, type TestDatabase } from '../src/store/index.ts'

export interface ChaosMonthsResult {
  months: number
  seed: number
  tenants: number
  minutes: number
  /** Rules under which a tenant pays something else than the oracle says, or without sums. */
  differences: number
  /** Under which parts do not add up to the cost of the engines. */
  sumsOff: number
  /** Under which something is unallocated though tenants pay for idle time. */
  unallocated: number
  firstBroken: string | null
}

const MINUTE_MS = 60_000
const FROM_MS = Date.UTC(2026, 10, 1)
const MONTH_MINUTES = 720
/** The end of the day: once its minutes are gone it is told as a whole. */
const TO_MS = FROM_MS + 86_400_000
const CAUSES = ['client_gone', 'engine_failed', 'timeout', 'shutdown']

export async function chaosMonths(options: {
  seed: number
  months: number
  log?: (line: string) => void
}): Promise<ChaosMonthsResult> {
  const { seed, months, log = () => undefined } = options
  const random = seededRandom(seed)
  // Small sums by long statements: compiling them takes longer than running them.
  const database = await openTestDatabase({ settings: { jit: 'off' } })
  const found = { tenants: 0, minutes: 0, differences: 0, sumsOff: 0, unallocated: 0 }
  let firstBroken: string | null = null
  try {
    await database.sql.unsafe(readFileSync(new URL('months-oracle.sql', import.meta.url), 'utf8'))
    for (let month = 0; month < months; month++) {
      await forget(database)
      found.tenants += await writeMonth(database, random)
      await database.sql`call oracle.look()`
      const { sum, minutes } = await sumOfMinutes(database, FROM_MS, TO_MS)
      found.minutes += minutes
      const part = await sumsOfPart(database, random)
      await dropMinutes(database)
      const summed = await sumOfPeriod(database.sql, FROM_MS, TO_MS, 'records')
      for (const rule of idleRules) {
        const chargeback = summed.finish(rule)
        const isSame =
          isDeepStrictEqual(chargeback, sum.finish(rule)) &&
          isDeepStrictEqual(part.summed.finish(rule), part.sum.finish(rule))
        const wrong = isSame ? await judge(database, chargeback) : 'differences'
        if (wrong === undefined) continue
        found[wrong]++
        firstBroken ??= `month ${month}, rule ${rule}: ${wrong}`
      }
      if ((month + 1) % 500 === 0) log(`${month + 1} months`)
    }
  } finally {
    await database.close()
  }
  return { months, seed, ...found, firstBroken }
}

const forget = ({ sql }: TestDatabase) =>
  sql.begin(async (transaction) => {
    // Append-only tables refuse to be emptied; as a replica the server runs no such triggers.
    await transaction`set local session_replication_role = replica`
    await transaction`
      truncate engine_minutes, engine_minute_tenants, engine_costs, tenant_weights, cost_sums,
        cost_sum_engines, cost_sum_tenants, cost_sum_classes`
  })

const upTo = (random: Random, max: number) => Math.floor(random.next() * (max + 1))

/** @returns how many tenants it has */
async function writeMonth(database: TestDatabase, random: Random): Promise<number> {
  const engines = Array.from({ length: 1 + upTo(random, 2) }, (_, at) => `eng_${at}`)
  if (upTo(random, 1) === 1) engines.push('eng_0-1')
  const tenants = Array.from({ length: 1 + upTo(random, 4) }, (_, at) => `ten_${at}`)
  for (const tenantId of tenants) {
    await addWeight(database, tenantId, FROM_MS - MINUTE_MS, 1 + upTo(random, 4000) / 1000)
  }
  await addCost(database, random, engines, FROM_MS)
  const minutes = Array.from({ length: 1 + upTo(random, 14) }, () =>
    upTo(random, MONTH_MINUTES - 1),
  )
  const rows = engines.flatMap((engineId) =>
    [...new Set(minutes)].map((at) => randomMinute(random, engineId, at, tenants)),
  )
  for (const half of [0, 1]) {
    for (let change = 0; change < upTo(random, 3); change++) {
      const tenantId = tenants[upTo(random, tenants.length - 1)] as string
      // One is never archived, so that there is somebody to pay.
      const weight = (tenantId === 'ten_0' ? 1 : 0) + upTo(random, 1)
      await addWeight(database, tenantId, randomTime(random), weight)
    }
    for (let cost = 0; cost < upTo(random, 2); cost++) {
      await addCost(database, random, engines, randomTime(random))
    }
    await recordCapacity(
      database,
      'one',
      rows.filter((_, at) => at % 2 === half),
    )
    await foldCosts(database, new FakeClock(FROM_MS + upTo(random, 36) * 60 * MINUTE_MS))
  }
  return tenants.length
}

const randomTime = (random: Random) => FROM_MS + upTo(random, MONTH_MINUTES) * MINUTE_MS

const addWeight = ({ sql }: TestDatabase, tenantId: string, fromMs: number, weight: number) =>
  sql`insert into tenant_weights (tenant_id, from_at, weight)
    values (${tenantId}, to_timestamp(${fromMs}::float8 / 1000), ${weight})`

async function addCost(
  { sql }: TestDatabase,
  random: Random,
  engines: string[],
  fromMs: number,
): Promise<void> {
  const engineId = engines[upTo(random, engines.length - 1)] as string
  const nanos = () => BigInt(upTo(random, 5_000_000_000))
  const parts = { machine: nanos(), energy: nanos(), staff: nanos() }
  const who = { engineId, engineName: engineId, actor: 'cli', atMs: FROM_MS }
  await addEngineCost(sql, { ...who, ...parts, fromMs })
}

function randomMinute(
  random: Random,
  engineId: string,
  minute: number,
  tenants: string[],
): CapacityMinute {
  const registeredMs = upTo(random, 3) === 0 ? upTo(random, 60_000) : 60_000
  let leftMs = registeredMs
  const some = (often: number) => {
    const ms = random.next() < often ? upTo(random, leftMs) : 0
    leftMs -= ms
    return ms / 1000
  }
  const idle = { downS: some(0.2), loadingS: some(0.1), drainedS: some(0.1) }
  const uses = [...tenants, 'calibration'].map((tenantId) => {
    const engineS = some(tenantId === 'calibration' ? 0.05 : 0.6)
    const units = engineS === 0 ? 0 : upTo(random, 1_000_000) / 100
    const causes = CAUSES.filter(() => engineS > 0 && random.next() < 0.2)
    const waste = Object.fromEntries(causes.map((cause) => [cause, upTo(random, 400_000) / 100]))
    return {
      tenantId,
      engineS,
      interactiveUnits: units,
      backgroundUnits: 0,
      entitledUnits: 0,
      waste,
    }
  })
  const watched = { upS: 0, idleS: 0, degradedS: 0, drainingS: 0, attempts: 0, failures: {} }
  return {
    ...watched,
    ...idle,
    engineId,
    minuteAtMs: FROM_MS + minute * MINUTE_MS,
    registeredS: registeredMs / 1000,
    freeS: leftMs / 1000,
    capacityUnitsPerS: null,
    slotS: 0,
    capSlotS: 0,
    tenants: uses.filter(({ engineS }) => engineS > 0),
  }
}

/** By the same code as ever, from nothing but minutes. */
async function sumOfMinutes({ sql }: TestDatabase, fromMs: number, toMs: number) {
  const weights = weightSpans(await readWeights(sql, fromMs, toMs))
  const sum = new ChargebackSum(await engineCosts(sql), weights)
  let minutes = 0
  for await (const minute of readEngineMinutes(sql, fromMs, toMs)) {
    minutes++
    sum.add(minute)
  }
  return { sum, minutes }
}

/** From some minute to another. */
async function sumsOfPart(database: TestDatabase, random: Random) {
  const [fromMs = FROM_MS, toMs = TO_MS] = [randomTime(random), randomTime(random)].sort(
    (a, b) => a - b,
  )
  const { sum } = await sumOfMinutes(database, fromMs, toMs)
  return { sum, summed: await sumOfPeriod(database.sql, fromMs, toMs, 'sums') }
}

/** Once the day is over its minutes go, as if it were on statements. */
async function dropMinutes(database: TestDatabase): Promise<void> {
  await foldCosts(database, new FakeClock(FROM_MS + 3 * 86_400_000))
  await database.sql`update cost_sums set is_alone = true where is_ready`
  await database.sql`delete from engine_minutes`
}

async function judge({ sql }: TestDatabase, { rule, lines, engines }: Chargeback) {
  const rows = await sql<{ tenantId: string | null; nanos: string }[]>`
    select tenant_id as "tenantId", nanos::text from oracle.tenants(${rule}) where nanos > 0`
  const oracle = new Map(rows.map(({ tenantId, nanos }) => [tenantId, BigInt(nanos)]))
  const ours = new Map<string | null, bigint>()
  for (const { tenantId, nanos } of lines) ours.set(tenantId, (ours.get(tenantId) ?? 0n) + nanos)
  for (const tenantId of new Set([...oracle.keys(), ...ours.keys()])) {
    if ((oracle.get(tenantId) ?? 0n) !== (ours.get(tenantId) ?? 0n)) return 'differences'
  }
  const total = engines.reduce((sum, { nanos }) => sum + nanos, 0n)
  const parts = [...ours.values()].reduce((sum, nanos) => sum + nanos, 0n)
  if (parts !== total || engines.some(({ unexplainedUs }) => unexplainedUs > 0n)) return 'sumsOff'
  if (rule !== 'operator' && (ours.get(null) ?? 0n) > 0n) return 'unallocated'
  return undefined
}
