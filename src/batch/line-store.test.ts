import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import { endedLines, forgetLines, triesOf } from './line-store.ts'

let database: TestDatabase

before(async () => {
  database = await openTestDatabase()
})
after(() => database.close())

test('lines of batches that ended long ago are forgotten, some at a time, and no others', async () => {
  const { sql } = database
  await sql`
    insert into batches (id, tenant_id, project_id, key_id, status, endpoint, service_class,
      completion_window, input_file_id, created_at, expires_at, ended_at)
    select 'batch_' || n, 'ten', 'prj', 'key', 'completed', '/v1/chat/completions', 'batch', '24h',
      'file', now(), now(), case n when 0 then null when 1 then now()
        else now() - interval '2 days' end
    from generate_series(0, 46) as n`
  await sql`
    insert into batch_lines (batch_id, line, outcome, input_tokens, cached_tokens, output_tokens)
    select 'batch_' || n, line, 'completed', 1, 0, 1
    from generate_series(0, 46) as n, generate_series(1, 3) as line`
  await sql`
    insert into batch_line_tries (batch_id, line, tries)
    values ('batch_0', 7, 2), ('batch_1', 7, 2), ('batch_2', 7, 2)`
  const dayAgo = new Date(Date.now() - 86_400_000)
  const rounds: boolean[] = []
  while (rounds.at(-1) !== false) rounds.push(await forgetLines(sql, dayAgo))
  assert.deepEqual(rounds, [true, true, false])
  for (const kept of ['batch_0', 'batch_1']) {
    assert.equal((await endedLines(sql, kept)).size, 3)
    assert.deepEqual(await triesOf(sql, kept), new Map([[7, 2]]))
  }
  const [left] = await sql`
    select (select count(*) from batch_lines)::int as lines,
      (select count(*) from batch_line_tries)::int as tries`
  assert.deepEqual({ ...left }, { lines: 6, tries: 2 })
})
