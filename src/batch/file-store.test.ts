import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { createLogger, FakeClock, limitTable, seededRandom, systemRandom } from '../base/index.ts'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import { FileStore } from './index.ts'

const creator = { tenantId: 'ten_1', projectId: 'prj_1', keyId: 'key_1' }
const limits = { fileBytesMax: 5_000_000, tenantFileBytesMax: 8_000_000, fileRetentionDays: 30 }
const DAY_MS = 86_400_000

async function* streamed(content: Uint8Array, pieceBytes = 65_536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += pieceBytes)
    yield content.subarray(at, at + pieceBytes)
}

async function whole(source: AsyncIterable<Buffer>): Promise<Buffer> {
  return Buffer.concat(await all(source))
}

async function all<Item>(source: AsyncIterable<Item>): Promise<Item[]> {
  const items: Item[] = []
  for await (const item of source) items.push(item)
  return items
}

describe('files', () => {
  let database: TestDatabase
  let clock: FakeClock
  let files: FileStore
  const about = () => ({ filename: 'lines.jsonl', purpose: 'batch' as const })
  const newStore = (masterKey = seededRandom(1).bytes(32), change = {}) => {
    const base = { database, clock, random: systemRandom, logger: createLogger('silent', 'test') }
    return new FileStore({ ...base, masterKey, limits: { ...limits, ...change } })
  }
  const rows = async (table: string) => {
    const [row] = await database.sql<{ count: number }[]>`
      select count(*)::int as count from ${database.sql(table)}`
    return row?.count
  }
  const store = (content: Uint8Array, owner = creator) =>
    files.create(owner, streamed(content), about)

  before(async () => {
    database = await openTestDatabase()
  })
  after(() => database.close())
  beforeEach(async () => {
    await database.reset()
    clock = new FakeClock(Date.UTC(2026, 10, 24))
    files = newStore()
  })

  it('keeps files for longer than a calendar lasts where somebody says so', async () => {
    files = newStore(undefined, { fileRetentionDays: limitTable.fileRetentionDays.most })
    const { expiresAt } = await store(Buffer.from('{}'))
    assert.ok(expiresAt.toISOString() > '2100')
  })

  it('gives back what was stored, whole and from any position', async () => {
    const content = Buffer.from(seededRandom(7).bytes(3_300_000))
    const file = await store(content)
    assert.equal(file.bytes, content.length)
    assert.deepEqual(await whole(files.read(creator, file.id)), content)
    for (const fromByte of [1, 1_048_547, 1_048_548, 1_048_549, 3_299_999, 3_300_000]) {
      const rest = await whole(files.read(creator, file.id, { fromByte }))
      assert.deepEqual(rest, content.subarray(fromByte), `from ${fromByte}`)
    }
  })

  it('keeps content in rows of a mebibyte at most, none of it readable', async () => {
    const text = 'the miller told nobody '.repeat(150_000)
    await store(Buffer.from(text))
    const chunks = await database.sql<{ content: Buffer }[]>`select content from file_chunks`
    assert.ok(chunks.length > 1)
    for (const { content } of chunks) {
      assert.ok(content.length <= 1024 * 1024)
      assert.equal(content.includes('miller'), false)
    }
    const [key] = await database.sql<{ sealed: Buffer }[]>`
      select sealed_key as sealed from content_keys`
    assert.equal(key?.sealed.includes(Buffer.from(seededRandom(1).bytes(32))), false)
  })

  it('says so where the gateway has another key than the content was sealed with', async () => {
    const { id } = await store(Buffer.from('x'))
    const other = newStore(seededRandom(2).bytes(32))
    await assert.rejects(whole(other.read(creator, id)), { code: 'content_key_wrong' })
    await assert.rejects(other.create(creator, streamed(Buffer.from('y')), about), {
      code: 'content_key_wrong',
    })
  })

  it('shows a file to its own project only', async () => {
    const { id } = await store(Buffer.from('x'))
    for (const other of [
      { ...creator, tenantId: 'ten_2' },
      { ...creator, projectId: 'prj_2' },
    ]) {
      await assert.rejects(files.get(other, id), { code: 'not_found' })
      await assert.rejects(whole(files.read(other, id)), { code: 'not_found' })
      await assert.rejects(files.delete(other, id), { code: 'not_found' })
      const page = await files.list(other, { limit: 10, order: 'desc' })
      assert.deepEqual(page.rows, [])
    }
    assert.equal((await files.get(creator, id)).id, id)
  })

  it('lists in pages, in either order', async () => {
    const ids: string[] = []
    for (let i = 0; i < 5; i++) {
      ids.push((await store(Buffer.from(`${i}`))).id)
      clock.advance(1000)
    }
    const first = await files.list(creator, { limit: 3, order: 'desc' })
    assert.deepEqual(
      first.rows.map(({ id }) => id),
      ids.slice(2).reverse(),
    )
    assert.equal(first.hasMore, true)
    const after = first.rows.at(-1)?.id
    const second = await files.list(creator, { limit: 3, order: 'desc', after })
    assert.deepEqual(
      second.rows.map(({ id }) => id),
      ids.slice(0, 2).reverse(),
    )
    assert.equal(second.hasMore, false)
    const ascending = await files.list(creator, { limit: 2, order: 'asc', after: ids[1] })
    assert.deepEqual(
      ascending.rows.map(({ id }) => id),
      ids.slice(2, 4),
    )
    const none = await files.list(creator, { limit: 2, order: 'asc', purpose: 'batch_output' })
    assert.deepEqual(none, { rows: [], hasMore: false })
  })

  it('refuses a file beyond the limit and a tenant beyond its quota; nothing of it stays', async () => {
    await assert.rejects(store(Buffer.alloc(5_000_001)), { code: 'file_too_large' })
    assert.equal(await rows('files'), 0)
    assert.equal(await rows('content_keys'), 0)
    const kept = await store(Buffer.alloc(4_500_000))
    await assert.rejects(store(Buffer.alloc(4_500_000)), { code: 'file_quota_exceeded' })
    assert.equal(await rows('files'), 1)
    await store(Buffer.alloc(4_500_000), { ...creator, tenantId: 'ten_2' })
    await files.delete(creator, kept.id)
    await store(Buffer.alloc(4_500_000))
  })

  it('holds the quota against uploads at the same time', async () => {
    const ended = await Promise.allSettled([1, 2, 3, 4].map(() => store(Buffer.alloc(3_000_000))))
    const stored = ended.filter(({ status }) => status === 'fulfilled').length
    const [used] = await database.sql<{ bytes: number }[]>`select bytes from content_keys`
    assert.ok(stored <= 2, `${stored} of 3 MB each in a quota of 8 MB`)
    assert.equal(used?.bytes ?? 0, stored * 3_000_000)
  })

  it('keeps nothing of content that breaks off, or that its form then refuses', async () => {
    const broken = async function* () {
      yield* streamed(Buffer.alloc(2_500_000))
      throw new Error('the client is gone')
    }
    await assert.rejects(files.create(creator, broken(), about), /the client is gone/)
    const refusing = () => {
      throw new Error('no purpose')
    }
    await assert.rejects(files.create(creator, streamed(Buffer.alloc(10)), refusing), /no purpose/)
    for (const table of ['files', 'file_chunks', 'content_keys']) {
      assert.equal(await rows(table), 0, table)
    }
  })

  it('destroys content when a file is deleted, and the key with the last', async () => {
    const [one, two] = [await store(Buffer.from('1')), await store(Buffer.from('2'))]
    await files.delete(creator, one.id)
    assert.equal(await rows('file_chunks'), 1)
    assert.equal(await rows('content_keys'), 1)
    await files.delete(creator, two.id)
    assert.equal(await rows('file_chunks'), 0)
    assert.equal(await rows('content_keys'), 0)
    await assert.rejects(files.get(creator, one.id), { code: 'not_found' })
  })

  it('hides a file when its time is over and then destroys it', async () => {
    const hour = () => ({ ...about(), expiresAfterS: 3600 })
    const short = await files.create(creator, streamed(Buffer.from('1')), hour)
    const usual = await store(Buffer.from('2'))
    assert.equal(usual.expiresAt.getTime() - usual.createdAt.getTime(), 30 * DAY_MS)
    clock.advance(3_600_000)
    await assert.rejects(files.get(creator, short.id), { code: 'not_found' })
    const destroyed = await database.transaction((sql) => files.destroyOld(sql, new Date(0), 10))
    assert.equal(destroyed, 1)
    assert.equal(await rows('files'), 1)
  })

  it('publishes what was written piece by piece, whatever the transactions around it did', async () => {
    const file = await database.transaction((sql) => files.begin(sql, creator))
    const append = (text: string, fails = false) =>
      database.transaction(async (sql) => {
        await files.append(sql, file, Buffer.from(text))
        if (fails) throw new Error('rolled back')
      })
    await append('one\n')
    await assert.rejects(append('never\n', true), /rolled back/)
    await append('two\n')
    await assert.rejects(files.get(creator, file.id), { code: 'not_found' })
    const facts = { filename: 'out.jsonl', purpose: 'batch_output' as const }
    const row = await database.transaction((sql) => files.publish(sql, file, facts))
    assert.equal(row.bytes, 8)
    assert.equal(String(await whole(files.read(creator, file.id))), 'one\ntwo\n')
    await assert.rejects(append('three\n'), { code: 'not_found' })
    await files.delete(creator, file.id)
    assert.equal(await rows('content_keys'), 0)
  })

  it('reads lines with their numbers and positions, and goes on from any of them', async () => {
    const long = 'x'.repeat(3000)
    const text = `\ufeff{"a":1}\r\n\nüber\n${long}\nlast`
    const { id } = await store(Buffer.from(text))
    const lines = await all(files.lines(creator, id, { lineBytesMax: 2000 }))
    assert.deepEqual(lines, [
      { number: 1, firstByte: 0, text: '{"a":1}' },
      { number: 2, firstByte: 12, text: '' },
      { number: 3, firstByte: 13, text: 'über' },
      { number: 4, firstByte: 19, text: undefined, problem: 'too_long' },
      { number: 5, firstByte: 3020, text: 'last' },
    ])
    const from = { number: 4, byte: 19 }
    const rest = await all(files.lines(creator, id, { lineBytesMax: 5000, from }))
    assert.deepEqual(rest[0], { number: 4, firstByte: 19, text: long })
    assert.deepEqual(rest[1], lines[4])
  })
})
