/** Whoever makes a month gives way to those who read the ledger. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { FakeClock, systemClock } from '../base/index.ts'
import { eventually } from '../base/test-eventually.ts'
import { connect, openTestDatabase } from '../store/index.ts'
import { addMonths, readMonths } from './ledger-months.ts'

it('a reader that meets a new month half-way goes on, and the month comes later', async () => {
  const database = await openTestDatabase()
  const session = { connections: 1, name: 'reader', statementMsMax: 0 }
  const first = connect(database.url, session)
  const reader = connect(database.url, session)
  let hasGivenUp = false
  // A machine that is too slow for us to meet half-way has nothing to show, and nothing fails.
  const waiting = (count: number) =>
    eventually(`${count} sessions wait for a lock`, async () => {
      const found = await database.sql`
        select from pg_stat_activity where wait_event_type = 'Lock'`
      return found.length === count || hasGivenUp
    })
  try {
    const now = new Date(systemClock.nowMs())
    const later = new FakeClock(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 3))
    const months = (await readMonths(database.sql)).length
    await first.sql`begin`
    await first.sql`select from ledger_intents limit 1`
    await reader.sql`begin`
    await reader.sql`select from ledger_settlements limit 1`
    const adding = assert.rejects(addMonths(database, later), { code: '55P03' })
    void adding.then(() => (hasGivenUp = true))
    await waiting(1)
    // Behind the month, which waits for the first, and it holds what the month needs next. So
    // PostgreSQL would find the reader in a deadlock first, and end it.
    const reading = reader.sql`select from ledger_intents limit 1`.execute()
    await waiting(2)
    await first.sql`commit`
    await reading
    await reader.sql`commit`
    await adding
    await addMonths(database, later)
    assert.equal((await readMonths(database.sql)).length, months + 2)
  } finally {
    await Promise.all([first.sql.end(), reader.sql.end()])
    await database.close()
  }
})
