import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { createLogger, GristmillError, systemClock, systemRandom } from '../base/index.ts'
import { until } from '../base/test-eventually.ts'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import { createTenancy, type Tenancy } from '../tenancy/index.ts'
import { RouteBook } from './route-book.ts'

const actor = { name: 'cli', from: 'local' }
const logger = createLogger('silent', 'test')
let database: TestDatabase
let tenancy: Tenancy
let book: RouteBook
/** Another gateway on the same database. */
let other: RouteBook

before(async () => {
  database = await openTestDatabase()
  tenancy = await createTenancy({ database, clock: systemClock, random: systemRandom, logger })
})
after(async () => {
  book.close()
  other.close()
  await tenancy.close()
  await database.close()
})
beforeEach(async () => {
  book?.close()
  other?.close()
  await database.sql`truncate route_versions`
  const options = { database, audit: tenancy.audit, clock: systemClock, logger }
  book = new RouteBook(options)
  other = new RouteBook(options)
  await book.open()
  await other.open()
})

const small = { name: 'small', targets: [{ model: 'smollm2' }] }
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: GristmillError) => error.code,
  )

describe('routes', () => {
  it('hold as soon as they are stored, here and at every other gateway', async () => {
    assert.equal(book.find('small'), undefined)
    await book.apply({ routes: [{ ...small, aliases: ['tiny'] }] }, actor, 'the first')
    assert.equal(book.find('small')?.targets[0]?.model, 'smollm2')
    assert.equal(book.find('tiny'), book.find('small'))
    await until(() => other.find('tiny') !== undefined)
    await other.apply({ routes: [] }, actor)
    assert.equal(other.find('small'), undefined)
    await until(() => book.find('small') === undefined)
  })

  it('go back to the version before by one step, and every version stays', async () => {
    await book.apply({ routes: [small] }, actor, 'one')
    await book.apply({ routes: [{ ...small, name: 'large' }] }, actor, 'two')
    await book.rollback(actor)
    assert.ok(book.find('small') && !book.find('large'))
    await book.rollback(actor, 2)
    assert.ok(book.find('large') && !book.find('small'))
    const { rows, next } = await book.versions({ limit: 3 })
    assert.deepEqual(
      rows.map(({ version, note }) => [version, note]),
      [
        [4, 'version 2 again'],
        [3, 'version 1 again'],
        [2, 'two'],
      ],
    )
    const rest = await book.versions({ limit: 3, cursor: next ?? '' })
    assert.deepEqual([rest.rows.map(({ version }) => version), rest.next], [[1], null])
    assert.equal((await book.version(1)).routes[0]?.name, 'small')
    assert.equal(await codeOf(book.version(9)), 'not_found')
    await assert.rejects(database.sql`update route_versions set note = 'x'`, /never changed/)
    const { rows: audited } = await tenancy.audit.list({ action: 'route.' }, { limit: 4 })
    assert.deepEqual(
      audited.map(({ action, subject }) => [action, subject]),
      [
        ['route.rollback', 'routes:4'],
        ['route.rollback', 'routes:3'],
        ['route.apply', 'routes:2'],
        ['route.apply', 'routes:1'],
      ],
    )
  })

  it('go back to none at all from the first version', async () => {
    await book.apply({ routes: [small] }, actor)
    await book.rollback(actor)
    assert.deepEqual([book.current.version, book.list()], [2, []])
  })

  it('are not replaced by somebody who has not seen the newest', async () => {
    await book.apply({ routes: [small] }, actor)
    assert.equal(await codeOf(book.apply({ routes: [] }, actor, '', 0)), 'conflict')
    const both = [book.apply({ routes: [small] }, actor), other.apply({ routes: [] }, actor)].map(
      codeOf,
    )
    const outcomes = await Promise.all(both)
    assert.ok(outcomes.includes('done'))
    assert.ok(
      outcomes.every((one) => one === 'done' || one === 'conflict'),
      outcomes.join(),
    )
  })

  it('keep their guards until others are named, and take them back with a version', async () => {
    const guard = { name: 'keys', kind: 'pattern', when: 'before', patterns: ['sk-'] }
    await book.apply({ routes: [small], guards: [guard] }, actor)
    assert.deepEqual(
      book.guards.map(({ name, kind }) => [name, kind]),
      [['keys', 'pattern']],
    )
    await until(() => other.guards.length === 1)
    await book.apply({ routes: [] }, actor)
    assert.equal(book.guards.length, 1)
    await book.apply({ routes: [], guards: [] }, actor)
    assert.equal(book.guards.length, 0)
    await book.rollback(actor, 1)
    assert.deepEqual([book.guards.length, book.list().length], [1, 1])
    const wrong = { routes: [small], guards: [guard, { ...guard, patterns: ['a('] }] }
    const { message } = await book.apply(wrong, actor).catch((thrown) => thrown)
    assert.match(message, /guards\.1\.patterns\.0: .*guards\.1\.name: an earlier guard/)
  })

  it('are refused as a whole, with everything that is wrong', async () => {
    const wrong = [
      { name: 'a b', targets: [] },
      { ...small, targets: [{ model: 'm', weight: 0 }], extra: 1 },
      { ...small, deprecation: { date: '2026-13-01' } },
    ]
    const error = await book.apply({ routes: wrong }, actor).catch((thrown) => thrown)
    assert.ok(error instanceof GristmillError)
    assert.equal(error.code, 'invalid_routes')
    for (const path of [
      '0.name',
      '0.targets',
      '1.targets.0.weight',
      '1.extra',
      '2.deprecation.date',
    ]) {
      assert.match(error.message, new RegExp(`routes\\.${path.replaceAll('.', '\\.')}:`), path)
    }
    assert.equal(book.current.version, 0, 'nothing was stored')
  })

  it('are checked against each other', async () => {
    const message = async (...routes: object[]) =>
      (await book.apply({ routes }, actor).catch((thrown) => thrown)).message as string
    const large = { ...small, name: 'large' }
    assert.match(
      await message(small, { ...large, aliases: ['small'] }),
      /routes\.1\.aliases\.0: small is a name of/,
    )
    assert.match(
      await message(
        { ...small, deprecation: { date: '2027-01-01', successor: 'large' } },
        { ...large, deprecation: { date: '2027-01-01', successor: 'small' } },
      ),
      /the successors of small lead in a circle/,
    )
    const same = { model: 'm', when: { classes: ['batch'] } }
    assert.match(
      await message({ ...small, targets: [same, same] }),
      /an earlier target is the same/,
    )
    const none = { model: 'm', when: { inputTokensMin: 9, inputTokensMax: 8 } }
    assert.match(await message({ ...small, targets: [none] }), /takes nothing/)
    assert.match(await message({ ...small, defaults: { stream: true } }), /cannot have a default/)
  })
})
