/** After a crash, requests of batches are charged with what was stored and with nothing else. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { createLogger, Registry, systemClock } from '../base/index.ts'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import { createLedger, type Intent, type Ledger, openTestJournal } from './index.ts'

let database: TestDatabase

before(async () => {
  database = await openTestDatabase()
})
after(() => database.close())
beforeEach(() => database.reset())

const newLedger = async (): Promise<Ledger> =>
  createLedger({
    database,
    journal: await openTestJournal(),
    clock: systemClock,
    logger: createLogger('silent', 'test'),
    registry: new Registry(),
    limits: {
      databaseAwayMsMax: 0,
      ledgerPendingMax: 1000,
      ledgerStallMs: 1000,
      ledgerWaitMs: 2000,
    },
  })

const intent = (requestId: string, batchId?: string): Intent => ({
  requestId,
  tenantId: 'ten_1',
  projectId: 'prj_1',
  keyId: 'key_1',
  endUser: null,
  sessionId: null,
  model: 'toy',
  endpoint: '/v1/chat/completions',
  serviceClass: 'batch',
  batchId,
  estimatedInputTokens: 5,
  outputTokensMax: 64,
  arrivedAtMs: systemClock.nowMs(),
})

const progress = {
  engineId: 'eng_1',
  servedClass: 'batch',
  queueMs: 1,
  engineMs: 2,
  ttftMs: 3,
  inputTokens: 5,
  cachedTokens: 0,
  outputTokens: 9,
} as const

test('a line is charged with its stored answer, without one it is work for nobody', async () => {
  const crashed = await newLedger()
  for (const id of ['req_stored', 'req_lost']) await crashed.open(intent(id, 'batch_1'))
  await crashed.open(intent('req_person'))
  for (const id of ['req_stored', 'req_lost', 'req_person']) crashed.progress(id, progress)
  await crashed.flush()

  const next = await newLedger()
  const asked: string[] = []
  const countOf = async (requestId: string) => {
    asked.push(requestId)
    return { inputTokens: 5, cachedTokens: 0, outputTokens: 12 }
  }
  const stored = { inputTokens: 5, cachedTokens: 1, outputTokens: 30 }
  const wanted: string[][] = []
  const recovered = await next.recover(countOf, async (requestIds) => {
    wanted.push([...requestIds].sort())
    return new Map([['req_stored', stored]])
  })
  assert.equal(recovered, 3)
  assert.deepEqual(asked, ['req_person'])
  assert.deepEqual(wanted, [['req_lost', 'req_stored']])
  const rows = await database.sql<{ id: string; tokens: number; estimated: boolean }[]>`
    select request_id as id, input_tokens + output_tokens as tokens, estimated
    from ledger_settlements where settlement_group = 'recovered' order by request_id`
  assert.deepEqual(
    [...rows],
    [
      { id: 'req_lost', tokens: 0, estimated: false },
      { id: 'req_person', tokens: 17, estimated: false },
      { id: 'req_stored', tokens: 35, estimated: false },
    ],
  )
  await Promise.all([crashed.close(), next.close()])
})
