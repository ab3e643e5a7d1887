import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import { forgetGateways, join, noteTakeover, readTakeovers, takeLease } from './gateway-rows.ts'

const own = (id: string) => ({ id, run: `run_${id}`, url: `http://${id}`, version: '1' })

describe('what is known of gateways', () => {
  let database: TestDatabase

  before(async () => {
    database = await openTestDatabase()
  })
  after(() => database.close())
  beforeEach(() => database.reset())

  it('is forgotten long after they left, with nothing of theirs open', async () => {
    const { sql } = database
    for (const id of ['lives', 'left', 'open', 'late', 'killed', 'holds']) await join(sql, own(id))
    await takeLease(sql, own('holds'), 0)
    const leave = (ids: string[], days: number, isSettled: boolean) => sql`
      update gateways set left_at = now() - make_interval(days => ${days}),
        beat_at = now() - make_interval(days => ${days}), is_settled = ${isSettled}
      where id in ${sql(ids)}`
    await leave(['left', 'holds'], 40, true)
    await leave(['open'], 40, false)
    await leave(['late'], 20, true)
    await sql`
      update gateways set beat_at = now() - interval '1 year', is_settled = true
      where id = 'killed'`
    await forgetGateways(sql, 30 * 86_400)
    const rows = await sql<{ id: string }[]>`select id from gateways order by id`
    assert.deepEqual(
      rows.map(({ id }) => id),
      ['holds', 'killed', 'late', 'lives', 'open'],
    )
  })

  it('is of the newest thousand takeovers', async () => {
    const { sql } = database
    const takeover = { gatewayId: 'a', idleMs: 1, running: 0, waiting: 0, held: 0 }
    for (const token of [1, 2, 900, 1001, 1002]) await noteTakeover(sql, { ...takeover, token })
    const tokens = (await readTakeovers(sql, 10)).map(({ token }) => token)
    assert.deepEqual(tokens, [1002, 1001, 900])
  })
})
