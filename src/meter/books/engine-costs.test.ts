import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger, FakeClock, systemRandom } from '../../base/index.ts'
import { eventually } from '../../base/test-eventually.ts'
import { openTestDatabase } from '../../store/index.ts'
import { createTenancy, type Tenancy } from '../../tenancy/index.ts'
import { recordCapacity } from '../capacity.ts'
import { addTerms, termsInput } from '../discounts/terms-input.ts'
import { Books } from './books.ts'
import { addEngineCost } from './engine-costs.ts'
import { verifyStatements } from './verify-statements.ts'

const HOUR_MS = 3_600_000
const FROM_MS = Date.UTC(2026, 9, 1)
const actor = { name: 'cli', from: 'local' }

test('costs and terms of a time that is being closed come too late for it', async () => {
  const clock = new FakeClock(FROM_MS + 2 * HOUR_MS)
  const database = await openTestDatabase()
  const logger = createLogger('silent', 'test')
  const tenancy = await createTenancy({ database, clock, random: systemRandom, logger })
  const tenant = await tenancy.tenants.create({ name: 'Support' }, actor)
  const set = (machine: bigint) =>
    database.transaction((sql) =>
      addEngineCost(sql, {
        ...{ engineId: 'eng_1', engineName: 'gpu-1', actor: 'cli', atMs: FROM_MS },
        ...{ machine, fromMs: FROM_MS },
      }),
    )
  await set(3_600_000_000n)
  await recordCapacity(database, 'run', [
    {
      ...{ engineId: 'eng_1', minuteAtMs: FROM_MS, registeredS: 60, upS: 60, idleS: 0 },
      ...{ degradedS: 0, drainingS: 0, slotS: 0, capSlotS: 0, freeS: 60, drainedS: 0 },
      ...{ loadingS: 0, downS: 0, attempts: 0, failures: {}, capacityUnitsPerS: null },
      tenants: [],
    },
  ])
  const reached = Promise.withResolvers<void>()
  const goesOn = Promise.withResolvers<void>()
  // Names are looked up once costs are worked out.
  const get = async () => {
    reached.resolve()
    await goesOn.promise
    return tenant
  }
  const slow = { audit: tenancy.audit, tenants: { get } } as unknown as Tenancy
  const seed = new Uint8Array(32)
  const books = new Books({ database, tenancy: slow, clock, currency: 'EUR', seed })
  const period = { fromMs: FROM_MS, toMs: FROM_MS + HOUR_MS, rule: 'use', basis: 'cost' } as const
  const closing = books.close({ ...period, tenantIds: [tenant.id] }, actor)
  await reached.promise
  const terms = termsInput.parse({
    ...{ tenantId: tenant.id, from: '2026-10', free: { unit: 'money', amount: '1' } },
  })
  const late = [set(7n), addTerms({ database, audit: tenancy.audit, clock }, terms, actor)]
  const ended = Promise.allSettled(late)
  const waits = eventually('both wait', async () => {
    const waiting = await database.sql`select from pg_locks where not granted`
    return waiting.length === late.length
  })
  await Promise.race([ended, waits])
  goesOn.resolve()
  await closing
  const codes = (await ended).map((one) => one.status === 'rejected' && one.reason.code)
  assert.deepEqual(codes, ['period_refused', 'period_refused'])
  assert.equal((await verifyStatements(database.sql, 0)).broken, null)
  await tenancy.close()
  await database.close()
})
