import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import {
  beat,
  forgetGateways,
  join,
  noteTakeover,
  readGone,
  readTakeovers,
  takeLease,
} from './gateway-rows.ts'

const own = (id: string) => ({ id, run: `run_${id}`, url: `http://${id}`, version: '1' })

describe('what is known of gateways', () => {
  let database: TestDatabase

  before(async () => {
    database = await openTestDatabase()
  })
  after(() => database.close())
  beforeEach(() => database.reset())

  const idsOf = async () => {
    const rows = await database.sql<
      { id: string }[]
    >`select id from gateways order by id collate "C"`
    return rows.map(({ id }) => id)
  }
  /** The last sign of life was so long ago; one that left said so then. */
  const age = (ids: string[], days: number, isSettled: boolean, hasLeft: boolean) => {
    const { sql } = database
    const at = sql`now() - make_interval(days => ${days})`
    return sql`
      update gateways set beat_at = ${at}, left_at = ${hasLeft ? at : null},
        is_settled = ${isSettled}
      where id in ${sql(ids)}`
  }

  it('is forgotten long after they left or were killed, with nothing of theirs open', async () => {
    const { sql } = database
    const ids = ['lives', 'left', 'open', 'late', 'killed', 'killed-late', 'killed-open', 'holds']
    for (const id of ids) await join(sql, own(id))
    await takeLease(sql, own('holds'), 0)
    await age(['left', 'holds'], 40, true, true)
    await age(['open'], 40, false, true)
    await age(['late'], 20, true, true)
    await age(['killed'], 40, true, false)
    await age(['killed-open'], 40, false, false)
    await age(['killed-late'], 20, true, false)
    await forgetGateways(sql, 30 * 86_400)
    assert.deepEqual(await idsOf(), ids.filter((id) => id !== 'left' && id !== 'killed').toSorted())
  })

  it('is there again where one lives that was forgotten, by the number that it has', async () => {
    const { sql } = database
    const number = await join(sql, own('slept'))
    await age(['slept'], 40, true, false)
    await forgetGateways(sql, 30 * 86_400)
    assert.deepEqual(await idsOf(), [])
    assert.deepEqual(await readGone(sql, 120, [number]), [number], 'what it left open is settled')
    await beat(sql, own('slept'), number, 0)
    assert.deepEqual(await readGone(sql, 120, [number]), [])
    await join(sql, { ...own('slept'), run: 'another' })
    await beat(sql, own('slept'), number, 0)
    const [row] = await sql<{ run: string; number: number }[]>`select run, number from gateways`
    assert.deepEqual(row, { run: 'another', number })
  })

  it('is of the newest thousand takeovers', async () => {
    const { sql } = database
    const takeover = { gatewayId: 'a', idleMs: 1, running: 0, waiting: 0, held: 0 }
    for (const token of [1, 2, 900, 1001, 1002]) await noteTakeover(sql, { ...takeover, token })
    const tokens = (await readTakeovers(sql, 10)).map(({ token }) => token)
    assert.deepEqual(tokens, [1002, 1001, 900])
  })
})
