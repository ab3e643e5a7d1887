/**
 * One gateway of chaos `overshoot`: its budgets, ledger and journal, and callers who each ask again
 * as soon as they are answered, until their budget refuses them.
 */
import {
  createLogger,
  GristmillError,
  newId,
  Registry,
  systemClock,
  systemRandom,
} from '../src/base/index.ts'
import {
  type BudgetRequest,
  Budgets,
  chargeMax,
  costOf,
  createLedger,
  Journal,
  type PriceInForce,
  priced,
  type Settlement,
} from '../src/meter/index.ts'
import { openDatabase } from '../src/store/index.ts'
import { createTenancy } from '../src/tenancy/index.ts'
import { INPUT_TOKENS_MAX, LEASE_MS, OUTPUT_TOKENS_MAX, price } from './overshoot-terms.ts'

export interface GatewayTask {
  databaseUrl: string
  journal: string
  engineUrl: string
  /** In the identifier of each request, so that whoever clears up finds them. */
  name: string
  tenantId: string
  callers: number
}

/** What it tells; at last that every caller has been refused. */
export type GatewayNews =
  | { kind: 'refused'; code: string; neededNanos: string }
  | { kind: 'served' }
  | { kind: 'done' }

const WAIT_MS_MAX = 60_000
const clock = systemClock
const task = JSON.parse(process.argv[2] ?? '{}') as GatewayTask
const tell = (news: GatewayNews) => process.send?.(news)

const bounds = {
  inputTokens: INPUT_TOKENS_MAX,
  outputTokens: OUTPUT_TOKENS_MAX,
  engineMs: 0,
  isEmbedding: false,
}
const needed = chargeMax(price.rates, bounds)
const wanted: BudgetRequest = {
  costMax: (outputTokens) => {
    const money = chargeMax(price.rates, { ...bounds, outputTokens })
    return { money, tokens: BigInt(INPUT_TOKENS_MAX + outputTokens), engine_seconds: 0n }
  },
  outputTokens: OUTPUT_TOKENS_MAX,
  outputTokensMin: 1,
  mayClamp: false,
  waitMsMax: WAIT_MS_MAX,
  costsTime: false,
}

const logger = createLogger('error', task.name)
const database = await openDatabase({ url: task.databaseUrl, clock, logger, connections: 3 })
const tenancy = await createTenancy({ database, clock, random: systemRandom, logger })
const journal = await Journal.open(task.journal)
const ledger = createLedger({
  database,
  journal,
  clock,
  logger,
  registry: new Registry(),
  limits: {
    databaseAwayMsMax: 0,
    ledgerPendingMax: 10_000,
    ledgerStallMs: 10_000,
    ledgerWaitMs: 10_000,
  },
})
const budgets = new Budgets({
  database,
  audit: tenancy.audit,
  clock,
  random: systemRandom,
  logger,
  currency: 'USD',
  zoneOf: () => 'UTC',
  waitMsMax: WAIT_MS_MAX,
  leaseMs: LEASE_MS,
  gatewayId: task.name,
  isAlone: false,
})
await budgets.open()
await Promise.all(Array.from({ length: task.callers }, call))
tell({ kind: 'done' })
await budgets.close()
await ledger.close()
await tenancy.close()
await database.close()
process.disconnect()

/** Asks until it is refused. */
async function call(): Promise<void> {
  for (;;) {
    try {
      await ask()
      tell({ kind: 'served' })
    } catch (error) {
      if (!(error instanceof GristmillError)) throw error
      tell({ kind: 'refused', code: error.code, neededNanos: String(needed) })
      return
    }
  }
}

async function ask(): Promise<void> {
  const requestId = `${newId('req', clock, systemRandom)}-${task.name}`
  const { tenantId } = task
  const who = { tenantId, projectId: 'prj_1', keyId: 'key_1', endUser: null }
  const hold = await budgets.hold(who, wanted)
  if (hold === null) throw new Error('no budget applies')
  await ledger.open({
    requestId,
    ...who,
    sessionId: null,
    model: 'mock',
    endpoint: '/v1/chat/completions',
    serviceClass: 'standard',
    estimatedInputTokens: INPUT_TOKENS_MAX,
    outputTokensMax: OUTPUT_TOKENS_MAX,
    arrivedAtMs: clock.nowMs(),
    reserved: hold.reserved,
  })
  const startedMs = clock.monotonicMs()
  const times = { engineId: 'mock', servedClass: 'standard', queueMs: 0, ttftMs: null } as const
  ledger.progress(requestId, {
    ...times,
    engineMs: 1,
    inputTokens: 1,
    cachedTokens: 0,
    outputTokens: 1,
  })
  const response = await fetch(`${task.engineUrl}/?id=${requestId}`)
  const { inputTokens, outputTokens } = (await response.json()) as Record<string, number>
  const settlement: Settlement = {
    requestId,
    group: 'finished',
    end: 'done',
    estimated: false,
    ...times,
    inputTokens: inputTokens ?? 0,
    cachedTokens: 0,
    outputTokens: outputTokens ?? 0,
    engineMs: Math.round(clock.monotonicMs() - startedMs),
    tokenGapMs: null,
    settledAtMs: clock.nowMs(),
    isBudgeted: true,
  }
  priced(settlement, price as PriceInForce, '/v1/chat/completions')
  hold.settle(costOf(settlement))
  ledger.settle(settlement)
}
