import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { SMTPServer } from 'smtp-server'
import { createLogger, FakeClock, newId, systemRandom } from '../../base/index.ts'
import { mailSender, type SendMail } from '../../host/index.ts'
import { openTestDatabase, type TestDatabase, type Transaction } from '../../store/index.ts'
import { createTenancy, type Tenancy } from '../../tenancy/index.ts'
import type { Budget, BudgetStanding } from '../budgets/budget-types.ts'
import type { CreditKind } from '../budgets/credit-input.ts'
import { insertCredit } from '../budgets/credit-rows.ts'
import { periodAt } from '../budgets/period.ts'
import { alertWords } from './alert-words.ts'
import { BudgetAlerts } from './budget-alerts.ts'
import { outlookOf } from './budget-outlook.ts'
import { crossed } from './crossings.ts'
import { MailSender } from './mail-sender.ts'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000
const UNIT = 1_000_000_000n
const logger = createLogger('silent', 'test')
const actor = { name: 'cli', from: 'local' }
const nowMs = Date.UTC(2026, 10, 14, 12)

function budgetOf(change: Partial<Budget> = {}): Budget {
  return {
    ...{ id: 'bud_1', name: 'november', tenantId: 'ten_1', projectId: null, keyId: null },
    ...{ endUser: null, unit: 'money', limit: 400n * UNIT, period: 'month' },
    ...{ isHard: true, clamps: false, isPrepaid: false, createdAt: new Date(0) },
    ...change,
  }
}

function standingOf(spent: bigint, budget = budgetOf()): BudgetStanding {
  const bounds = periodAt(budget.period, nowMs, 'UTC')
  return { budget, subject: '', ...bounds, spent, leased: 0n }
}

describe('crossings', () => {
  it('are exact, and of what is spent', () => {
    const at = (spent: bigint) => crossed(standingOf(spent), [100, 50, 80])
    assert.deepEqual(at(200n * UNIT - 1n), [])
    assert.deepEqual(at(200n * UNIT), [50])
    assert.deepEqual(at(400n * UNIT), [50, 80, 100])
    assert.deepEqual(crossed(standingOf(0n, budgetOf({ limit: 0n })), [50]), [])
  })
})

describe('the outlook of a budget', () => {
  /** Ten a day, by day or hour. */
  const spent = (days: number, everyMs = DAY_MS, amount = 10n * UNIT) =>
    Array.from({ length: (days * DAY_MS) / everyMs }, (_, at) => {
      return { atMs: nowMs - 12 * HOUR_MS - (at + 1) * everyMs, amount }
    })
  const look = (left: bigint, budget = budgetOf(), past = spent(40), zone = 'UTC') =>
    outlookOf(standingOf(budget.limit - left * UNIT, budget), past, zone, nowMs)

  it('says on which day it is empty, and between which', () => {
    const outlook = look(50n)
    assert.ok(outlook.kind === 'empty')
    const { expectedMs, earliestMs, latestMs } = outlook.forecast
    assert.equal(new Date(expectedMs).toISOString(), '2026-11-19T12:00:00.000Z')
    assert.ok(earliestMs <= expectedMs && expectedMs <= (latestMs ?? Infinity))
    const uneven = spent(40).map((one, at) => ({
      ...one,
      amount: (at % 2 === 0 ? 4n : 16n) * UNIT,
    }))
    const wide = look(50n, budgetOf(), uneven)
    assert.ok(wide.kind === 'empty' && wide.forecast.latestMs !== null)
    assert.ok(wide.forecast.latestMs - wide.forecast.earliestMs > DAY_MS)
  })

  it('says where it lasts, where nothing can be told, and where it is not worked out', () => {
    assert.equal(look(300n).kind, 'lasts')
    assert.deepEqual(look(50n, budgetOf(), spent(5)), { kind: 'few', steps: 4 })
    assert.equal(look(0n).kind, 'none')
    assert.equal(look(50n, budgetOf({ period: 'hour' })).kind, 'none')
    assert.equal(look(50n, budgetOf({ endUser: 'ada' })).kind, 'none')
  })

  it('of a day goes by the hour', () => {
    const day = budgetOf({ period: 'day' })
    const hours = spent(10, HOUR_MS).map((one, at) => ({
      ...one,
      atMs: nowMs - (at + 1) * HOUR_MS,
    }))
    const outlook = look(30n, day, hours)
    assert.ok(outlook.kind === 'empty', JSON.stringify(outlook))
    assert.equal(outlook.forecast.expectedMs, nowMs + 3 * HOUR_MS)
  })

  it('has weekdays as the tenant has them', () => {
    // Sundays at noon in UTC are Mondays in Auckland.
    const weekly = [0, 1, 2, 3, 4, 5].map((weeks) => {
      return { atMs: nowMs - (6 + 7 * weeks) * DAY_MS, amount: 70n * UNIT }
    })
    const dayOf = (zone: string) => {
      const outlook = look(50n, budgetOf(), weekly, zone)
      assert.ok(outlook.kind === 'empty')
      const at = new Date(outlook.forecast.expectedMs)
      return at.toLocaleDateString('en-GB', { weekday: 'long', timeZone: zone })
    }
    assert.deepEqual(['UTC', 'Pacific/Auckland'].map(dayOf), ['Sunday', 'Monday'])
  })
})

describe('alerts', () => {
  let database: TestDatabase
  let tenancy: Tenancy
  let clock: FakeClock
  let standings: BudgetStanding[]
  let told: { type: string; data: Record<string, unknown> }[]
  let fails: boolean
  const alerts: BudgetAlerts[] = []
  const senders: MailSender[] = []

  before(async () => {
    database = await openTestDatabase()
    const random = systemRandom
    tenancy = await createTenancy({ database, clock: new FakeClock(nowMs), random, logger })
    for (const number of [1, 2]) {
      const tenantId = `ten_${number}`
      await database.sql`
        insert into tenants (id, name, weight, classes, default_class, limits, hue, created_at)
        values (${tenantId}, ${tenantId}, 1, '["standard"]', 'standard', '{}', 0, now())`
      await database.sql`
        insert into budgets (id, name, tenant_id, unit, limit_amount, period, is_hard, clamps,
          created_at)
        values (${`bud_${number}`}, 'november', ${tenantId}, 'money', 400, 'month', true, false,
          now())`
    }
    for (let day = 1; day <= 30; day += 1) await settle(day, 20n * UNIT)
  })
  after(async () => {
    await tenancy.close()
    await database.close()
  })
  beforeEach(async () => {
    for (const one of [...alerts.splice(0), ...senders.splice(0)]) await one.close()
    await database.sql`truncate budget_alerts, budget_alert_settings, budget_mails`
    clock = new FakeClock(nowMs)
    told = []
    fails = false
    standings = [standingOf(210n * UNIT)]
  })

  /** As one gateway has it; looks by hand only. */
  function gateway(): BudgetAlerts {
    const made = new BudgetAlerts({
      ...{ database, clock, random: systemRandom, logger, audit: tenancy.audit, currency: 'USD' },
      standings: async () => standings,
      nameOf: () => 'Support',
      zoneOf: () => 'UTC',
      tell: async (_sql: Transaction, _tenantId, type, data) => {
        if (fails) throw new Error('the gateway was killed here')
        told.push({ type, data: data as Record<string, unknown> })
      },
    })
    alerts.push(made)
    return made
  }
  const percents = () => told.map(({ data }) => data.percent)

  it('tell of each crossing once, however many gateways look', async () => {
    const [one, two] = [gateway(), gateway()]
    await Promise.all([one.check(), two.check(), one.check()])
    await two.check()
    assert.deepEqual(percents(), [50])
    assert.equal(told[0]?.type, 'budget.threshold')
    clock.advance(1)
    standings = [standingOf(400n * UNIT)]
    await Promise.all([one.check(), two.check()])
    assert.deepEqual(percents(), [50, 100], 'the highest of those that were passed together')
    const listed = await one.list({ tenantIds: ['ten_1'] }, { limit: 10 })
    assert.deepEqual(
      listed.map(({ percent }) => percent),
      [100, 50],
    )
    assert.deepEqual(await one.list({ tenantIds: ['ten_2'] }, { limit: 10 }), [])
  })

  it('tell anew in the next period', async () => {
    const one = gateway()
    await one.check()
    const next = periodAt('month', nowMs + 30 * DAY_MS, 'UTC')
    standings = [{ ...standingOf(210n * UNIT), ...next }]
    await one.check()
    assert.deepEqual(percents(), [50, 50])
  })

  it('of prepaid credit are about what there was when it was last paid in', async () => {
    await database.sql`
      insert into budgets (id, name, tenant_id, unit, limit_amount, period, is_hard, clamps,
        is_prepaid, created_at)
      values ('bud_paid', 'prepaid credit', 'ten_1', 'money', 0, 'total', true, false, true, now())`
    const one = gateway()
    const book = async (kind: CreditKind, amount: bigint, spent: bigint) => {
      const id = newId('crd', clock, systemRandom)
      const row = { id, budgetId: 'bud_paid', kind, nanos: amount * UNIT }
      const by = { tenantId: 'ten_1', note: 'invoice 7', actor: 'cli', at: new Date(clock.nowMs()) }
      await insertCredit(database.sql, { ...row, ...by }, spent * UNIT)
      clock.advance(1)
    }
    const toldAt = async (spent: bigint) => {
      const paid = budgetOf({ id: 'bud_paid', period: 'total', isPrepaid: true })
      standings = [standingOf(spent * UNIT, paid)]
      told = []
      await one.check()
      return told.map(({ data: { percent, spent, limit } }) => [percent, spent, limit])
    }
    await book('top_up', 250n, 0n)
    assert.deepEqual(await toldAt(240n), [[80, '240', '250']])
    await book('top_up', 250n, 240n)
    assert.deepEqual(await toldAt(240n + 100n), [], 'not of all that was ever paid in')
    await book('refund', -10n, 340n)
    assert.deepEqual(await toldAt(240n + 125n), [[50, '125', '250']])
    assert.deepEqual(await toldAt(240n + 200n), [[80, '200', '250']])
    assert.deepEqual(await toldAt(240n + 250n), [[100, '250', '250']])
  })

  it('are noted with what is told of them, or not at all', async () => {
    fails = true
    await assert.rejects(gateway().check(), /killed/)
    fails = false
    await gateway().check()
    assert.deepEqual(percents(), [50])
  })

  it('are at other percentages where somebody said so, and none of each end user', async () => {
    const one = gateway()
    const quiet = { percents: [90, 30, 90], onForecast: false, emails: [] }
    assert.deepEqual((await one.set(budgetOf(), quiet, actor)).percents, [30, 90])
    standings = [...standings, standingOf(400n * UNIT, budgetOf({ id: 'bud_2', endUser: '*' }))]
    await one.check()
    assert.deepEqual(percents(), [30])
  })

  it('tell once that a budget will be used up before it renews', async () => {
    standings = [standingOf(150n * UNIT, budgetOf({ id: 'bud_2', tenantId: 'ten_2' }))]
    const one = gateway()
    await one.check()
    await one.check()
    assert.deepEqual(
      told.map(({ type }) => type),
      ['budget.forecast'],
    )
    const { expected, earliest, latest } = (told[0]?.data.emptyAt ?? {}) as Record<string, string>
    assert.ok(expected && earliest && earliest <= expected && (latest ?? expected) >= expected)
    assert.match(expected, /^2026-11-2/)
  })

  it('work out when budgets will be empty some at a time, each in its turn', async () => {
    const ids = Array.from({ length: 25 }, (_, at) => `bud_many${at}`)
    for (const id of ids) {
      await database.sql`
        insert into budgets (id, name, tenant_id, unit, limit_amount, period, is_hard, clamps,
          created_at)
        values (${id}, 'november', 'ten_2', 'money', 400, 'month', true, false, now())`
    }
    standings = ids.map((id) => standingOf(150n * UNIT, budgetOf({ id, tenantId: 'ten_2' })))
    const one = gateway()
    await one.check()
    assert.equal(told.length, 20)
    await one.check()
    assert.deepEqual(new Set(told.map(({ data }) => data.budgetId)), new Set(ids))
    assert.equal(told.length, 25)
  })

  const settle = (daysAgo: number, charge: bigint) => database.sql`
    insert into ledger_settlements (request_id, tenant_id, project_id, key_id, model,
      service_class, served_class, settlement_group, end_reason, estimated, input_tokens,
      cached_tokens, output_tokens, queue_ms, engine_ms, settled_at, charge_nanos, price_version)
    values (${`req_${daysAgo}`}, 'ten_2', 'prj_1', 'key_1', 'small', 'standard', 'standard',
      'finished', 'done', false, 1, 0, 1, 0, 5, ${new Date(nowMs - daysAgo * DAY_MS)},
      ${String(charge)}, 1)`

  describe('by e-mail', () => {
    let server: SMTPServer
    let received: { to: string[]; text: string }[]
    let refuses: boolean
    let url: string

    before(async () => {
      server = new SMTPServer({
        authOptional: true,
        disabledCommands: ['STARTTLS'],
        onRcptTo: (_address, _session, done) =>
          done(refuses ? Object.assign(new Error('try later'), { responseCode: 451 }) : null),
        onData(stream, session, done) {
          let text = ''
          stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
          stream.on('end', () => {
            received.push({ to: session.envelope.rcptTo.map(({ address }) => address), text })
            done()
          })
        },
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const address = server.server.address()
      assert.ok(address !== null && typeof address === 'object')
      url = `smtp://127.0.0.1:${address.port}`
    })
    after(() => new Promise<void>((resolve) => server.close(() => resolve())))
    beforeEach(() => {
      received = []
      refuses = false
    })

    function sender(given?: SendMail): MailSender {
      const server = { url, password: undefined, from: 'Mill <mill@example.org>' }
      const send = given ?? mailSender(server)
      const base = { database, clock, random: systemRandom, logger, zoneOf: () => 'Europe/Berlin' }
      const made = new MailSender({ ...base, send })
      senders.push(made)
      return made
    }

    it('go to those who want them, once each, by one of several gateways', async () => {
      const one = gateway()
      const emails = ['ada@example.org', 'ben@example.org', 'ada@example.org']
      await one.set(budgetOf(), { percents: [50], onForecast: false, emails }, actor)
      await one.check()
      await Promise.all([sender().sendDue(), sender().sendDue()])
      clock.advance(DAY_MS)
      await sender().sendDue()
      assert.deepEqual(received.map(({ to }) => to.join()).sort(), [
        'ada@example.org',
        'ben@example.org',
      ])
      const text = received[0]?.text ?? ''
      assert.match(text, /^Subject: Support: 50 % of the budget november is spent\r$/m)
      assert.match(text, /^210 of 400 USD are spent by Support\.\r$/m)
      const [alert] = await one.list({}, { limit: 1 })
      assert.deepEqual(
        alert?.mails.map(({ state }) => state),
        ['delivered', 'delivered'],
      )
    })

    it('wait for a mail server that refuses them, over a restart', async () => {
      const one = gateway()
      const emails = ['ada@example.org']
      await one.set(budgetOf(), { percents: [50], onForecast: false, emails }, actor)
      await one.check()
      refuses = true
      assert.equal(await sender().sendDue(), 1)
      assert.equal(await sender().sendDue(), 0, 'not before a pause')
      const waiting = (await one.list({}, { limit: 1 }))[0]?.mails[0]
      assert.deepEqual([waiting?.state, waiting?.attempts], ['due', 1])
      assert.match(waiting?.reason ?? '', /try later/)
      refuses = false
      clock.advance(2 * MINUTE_MS)
      assert.equal(await sender().sendDue(), 1)
      assert.equal(received.length, 1)
      assert.equal((await one.list({}, { limit: 1 }))[0]?.mails[0]?.state, 'delivered')
    })

    it('are given up in the end', async () => {
      const one = gateway()
      const emails = ['ada@example.org']
      await one.set(budgetOf(), { percents: [50], onForecast: false, emails }, actor)
      await one.check()
      const refused = sender(async () => Promise.reject(new Error('550 no such mailbox')))
      for (let round = 0; round < 8; round += 1) {
        await refused.sendDue()
        clock.advance(DAY_MS)
      }
      const mail = (await one.list({}, { limit: 1 }))[0]?.mails[0]
      assert.deepEqual([mail?.state, mail?.attempts], ['failed', 6])
    })
  })
})

it('an alert on forecast says the days in words', () => {
  const words = alertWords(
    {
      ...{ id: 'alr_1', budgetId: 'bud_1', budgetName: 'november', tenantId: 'ten_1' },
      ...{ tenantName: 'Support', kind: 'forecast', percent: null, unit: 'money' },
      ...{ currency: 'EUR', limit: '400', spent: '150', isHard: true, at: '2026-11-14T12:00:00Z' },
      renewsAt: '2026-12-01T00:00:00.000Z',
      emptyAt: {
        expected: '2026-11-19T12:00:00.000Z',
        earliest: '2026-11-17T08:00:00.000Z',
        latest: '2026-11-22T20:00:00.000Z',
      },
    },
    'Europe/Berlin',
  )
  assert.match(words.subject, /^Support: The budget november will be used up on 19 November/)
  assert.match(words.text, /between 17 November.* and 22 November/)
  assert.match(words.text, /refused\.\n$/)
})
