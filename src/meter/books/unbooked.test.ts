import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger, Registry, systemClock, systemRandom } from '../../base/index.ts'
import { openTestDatabase } from '../../store/index.ts'
import { createTenancy } from '../../tenancy/index.ts'
import { createLedger } from '../ledger.ts'
import { openTestJournal } from '../test-journal.ts'
import { Books } from './books.ts'

const MINUTE_MS = 60_000

test('a period is not closed while requests of it are in the journal only', async () => {
  const clock = systemClock
  const database = await openTestDatabase()
  const logger = createLogger('silent', 'test')
  const tenancy = await createTenancy({ database, clock, random: systemRandom, logger })
  const limits = {
    databaseAwayMsMax: 300_000,
    ledgerPendingMax: 1000,
    ledgerStallMs: 60_000,
    ledgerWaitMs: 60_000,
  }
  const journal = await openTestJournal()
  const registry = new Registry()
  const ledger = createLedger({ database, journal, clock, logger, registry, limits })
  const seed = new Uint8Array(32)
  const books = new Books({ database, tenancy, ledger, clock, currency: 'EUR', seed })
  const toMs = Math.floor(clock.nowMs() / MINUTE_MS) * MINUTE_MS - 5 * MINUTE_MS
  const period = { fromMs: toMs - 60 * MINUTE_MS, toMs, rule: 'weight', basis: 'cost' } as const
  const close = async () => books.close(period, { name: 'cli', from: 'local' })
  const locked = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  const blocker = database.transaction(async (sql) => {
    await sql`lock table ledger_intents in exclusive mode`
    locked.resolve()
    await release.promise
  })
  await locked.promise
  // It came before the end, when the database was away.
  await ledger.open({
    requestId: 'req_0000000001',
    ...{ tenantId: 'ten_a', projectId: 'prj_a', keyId: 'key_a', endUser: null, sessionId: null },
    ...{ model: 'toy', endpoint: '/v1/chat/completions', serviceClass: 'standard' },
    ...{ estimatedInputTokens: 10, outputTokensMax: 64, arrivedAtMs: toMs - MINUTE_MS },
  })
  await assert.rejects(close(), /still in the journal/)
  release.resolve()
  await blocker
  await ledger.flush()
  await assert.rejects(close(), /are open: req_0000000001/)
  await ledger.close()
  await tenancy.close()
  await database.close()
})
