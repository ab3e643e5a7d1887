/** What a request is told that does not fit into a budget. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { createLogger, systemClock, systemRandom } from '../../base/index.ts'
import { openTestDatabase, type TestDatabase } from '../../store/index.ts'
import { createTenancy, type Tenancy } from '../../tenancy/index.ts'
import { budgetInput } from './budget-input.ts'
import { Budgets } from './budgets.ts'
import type { Hold } from './hold.ts'
import type { BudgetRequest } from './reserving.ts'

const actor = { name: 'user:finance@example.org', from: '192.0.2.1' }

describe('a request that does not fit into a budget', () => {
  let database: TestDatabase
  let tenancy: Tenancy
  let budgets: Budgets
  let tenantId: string

  before(async () => {
    const base = {
      clock: systemClock,
      random: systemRandom,
      logger: createLogger('silent', 'test'),
    }
    database = await openTestDatabase()
    tenancy = await createTenancy({ ...base, database })
    budgets = new Budgets({
      ...base,
      ...{ database, audit: tenancy.audit, currency: 'EUR', zoneOf: () => 'UTC' },
      ...{ waitMsMax: 2000, leaseMs: 60_000, gatewayId: 'gw', isAlone: true },
    })
    await budgets.open()
  })
  after(async () => {
    await budgets.close()
    await tenancy.close()
    await database.close()
  })
  beforeEach(async () => {
    const name = `T${systemClock.monotonicMs()}`
    tenantId = (await tenancy.tenants.create({ name }, actor)).id
  })

  const make = (period: string, clamps = false) => {
    const given = { name: 'trial', tenantId, unit: 'tokens', limit: '1000', period, clamps }
    return budgets.create(budgetInput.parse(given), actor)
  }
  const hold = async (inputTokens: number, outputTokens: number) => {
    const request: BudgetRequest = {
      costMax: (output) => ({
        money: 0n,
        tokens: BigInt(inputTokens + output),
        engine_seconds: 0n,
      }),
      ...{ outputTokens, outputTokensMin: 1, mayClamp: true, waitMsMax: 2000, costsTime: false },
    }
    const held = await budgets.hold(
      { tenantId, projectId: 'prj', keyId: 'key', endUser: null },
      request,
    )
    assert.ok(held, 'the budget applies')
    return held
  }
  /** As a settlement does it. */
  const spend = async (held: Hold, tokens: bigint) => {
    const [[counter, holder, amount] = []] = held.reserved
    await database.sql`insert into budget_spends (counter_id, holder, amount)
      values (${String(counter)}, ${String(holder)}, ${String(amount)}::int8)`
    held.settle({ money: 0n, tokens, engine_seconds: 0n })
  }

  for (const period of ['month', 'total']) {
    it(`is told whether waiting can help, of a ${period}`, async () => {
      await make(period)
      await assert.rejects(hold(600, 401), (error: { code?: string; message?: string }) => {
        assert.equal(error.code, 'budget_too_small')
        return /is 1000 tokens in all; this request may cost 1001 tokens/.test(error.message ?? '')
      })
      await spend(await hold(600, 400), 1000n)
      const code = period === 'total' ? 'budget_used_up' : 'budget_exceeded'
      await assert.rejects(hold(600, 400), { code })
    })
  }

  it('may fit later where its answer can be bounded', async () => {
    await make('month', true)
    const held = await hold(100, 5000)
    assert.equal(held.outputTokens, 900)
    await spend(held, 1000n)
    await assert.rejects(hold(100, 5000), { code: 'budget_exceeded' })
    await assert.rejects(hold(1000, 5000), { code: 'budget_too_small' })
  })
})
