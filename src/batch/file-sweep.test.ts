import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { createLogger, FakeClock, seededRandom, systemRandom } from '../base/index.ts'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import { FileStore, FileSweep } from './index.ts'

const UPLOAD_MS_MAX = 30 * 60_000
const limits = {
  fileBytesMax: 1000,
  tenantFileBytesMax: 100_000,
  fileRetentionDays: 30,
  uploadMsMax: UPLOAD_MS_MAX,
}
const logger = createLogger('silent', 'test')

describe('the sweep', () => {
  let database: TestDatabase
  let clock: FakeClock
  let files: FileStore
  let sweep: FileSweep
  let archived: string[]

  before(async () => {
    database = await openTestDatabase()
  })
  after(() => database.close())
  beforeEach(async () => {
    await database.reset()
    clock = new FakeClock()
    archived = []
    const base = { database, clock, random: systemRandom, logger, limits }
    files = new FileStore({ ...base, masterKey: seededRandom(1).bytes(32) })
    sweep = new FileSweep({ ...base, files, isLiving: async (id) => !archived.includes(id) })
    // By hand only, so that it is counted.
    await sweep.close()
  })

  const store = (tenantId: string, expiresAfterS?: number) => {
    const content = async function* () {
      yield Buffer.from('grain')
    }
    const creator = { tenantId, projectId: 'prj_1', keyId: 'key_1' }
    const about = () => ({ filename: 'x', purpose: 'batch' as const, expiresAfterS })
    return files.create(creator, content(), about)
  }
  const count = async () => {
    const [row] = await database.sql<{ files: number; keys: number }[]>`
      select (select count(*)::int from files) as files,
        (select count(*)::int from content_keys) as keys`
    return row
  }

  it('destroys every expired file and none other', async () => {
    for (let i = 0; i < 45; i++) await store('ten_1', 3600)
    await store('ten_1')
    clock.advance(3_600_000)
    assert.equal(await sweep.sweep(), 45)
    assert.deepEqual(await count(), { files: 1, keys: 1 })
    clock.advance(30 * 86_400_000)
    assert.equal(await sweep.sweep(), 1)
    assert.deepEqual(await count(), { files: 0, keys: 0 })
  })

  it('destroys an upload that a crash cut off, but not one that goes on', async () => {
    await store('ten_1')
    await database.sql`update files set state = 'uploading'`
    assert.equal(await sweep.sweep(), 0)
    clock.advance(UPLOAD_MS_MAX + 61_000)
    assert.equal(await sweep.sweep(), 1)
    assert.deepEqual(await count(), { files: 0, keys: 0 })
  })

  it('leaves an upload alone that takes all the time that it may', async () => {
    let swept = -1
    const slow = async function* () {
      yield Buffer.from('gra')
      clock.advance(UPLOAD_MS_MAX)
      swept = await sweep.sweep()
      yield Buffer.from('in')
    }
    const creator = { tenantId: 'ten_1', projectId: 'prj_1', keyId: 'key_1' }
    const about = () => ({ filename: 'x', purpose: 'batch' as const })
    const { bytes } = await files.create(creator, slow(), about)
    assert.deepEqual([swept, bytes], [0, 5])
  })

  it('destroys all that an archived tenant has, its key included', async () => {
    await store('ten_1')
    await store('ten_2')
    archived = ['ten_1']
    assert.equal(await sweep.sweep(), 1)
    assert.deepEqual(await count(), { files: 1, keys: 1 })
    assert.deepEqual(await files.tenantIds(), ['ten_2'])
  })

  it('waits for the files that a batch of an archived tenant still writes', async () => {
    const creator = { tenantId: 'ten_1', projectId: 'prj_1', keyId: 'key_1' }
    const about = { filename: 'out', purpose: 'batch_output' as const }
    const output = await database.transaction((sql) => files.begin(sql, creator))
    archived = ['ten_1']
    assert.equal(await sweep.sweep(), 0)
    await database.transaction((sql) => files.publish(sql, output, about))
    assert.equal(await sweep.sweep(), 1)
    assert.deepEqual(await count(), { files: 0, keys: 0 })
  })

  it('leaves expired files to the gateway that is at it already', async () => {
    await store('ten_1', 3600)
    clock.advance(3_600_000)
    await database.transaction(async (sql) => {
      await sql`select pg_advisory_xact_lock(${0x67_66_69_6c})`
      assert.equal(await sweep.sweep(), 0)
    })
    assert.equal(await sweep.sweep(), 1)
  })
})
