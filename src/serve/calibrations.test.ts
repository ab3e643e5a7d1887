/** Calibrations over a real database and pool, with a scripted engine. */
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import {
  createLogger,
  type Limits,
  limitTable,
  Registry,
  systemClock,
  systemRandom,
} from '../base/index.ts'
import { eventually } from '../base/test-eventually.ts'
import {
  beginStream,
  type EngineProfile,
  EngineRegistry,
  sendJson,
  startTestEngine,
  type TestEngine,
  usage,
} from '../engine/index.ts'
import { defaultSchedulerConfig, Pool, PoolCalibrationPlaces, parseProfile } from '../pool/index.ts'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import { Calibrations } from './calibrations.ts'

const limits = Object.fromEntries(
  Object.entries(limitTable).map(([name, entry]) => [name, entry.default]),
) as Limits
const logger = createLogger('silent', 'test')
const standard = defaultSchedulerConfig.cost
const common = { clock: systemClock, random: systemRandom, logger }

let database: TestDatabase
const open: { close(): unknown }[] = []
before(async () => {
  database = await openTestDatabase()
})
after(() => database.close())
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
  await database.reset()
})

const openCalibrations = () => Calibrations.open({ ...common, database, pointMs: 60 }, standard)

/** A pool with one engine that says to be a vLLM of this version. */
async function setUp(
  version: string,
  prepare: (engine: TestEngine) => void = answer,
  owner = 'vllm',
) {
  const calibrations = await openCalibrations()
  const engine = await startTestEngine()
  engine.pages.set('/v1/models', { data: [{ id: 'm', owned_by: owner, max_model_len: 4096 }] })
  engine.pages.set('/version', { version })
  prepare(engine)
  const registry = new EngineRegistry({
    ...common,
    database,
    limits,
    secretKey: Buffer.alloc(32, 1),
  })
  const pool = new Pool({
    ...common,
    registry: new Registry(),
    order: 'fair',
    recordCapacity: () => {},
    recordChange: () => {},
  })
  registry.listen({
    changed: (one, profile, state, reason) =>
      pool.setEngine(one, calibrations.applied(one, profile), state, reason),
    removed: (id) => pool.removeEngine(id),
  })
  const id = await registry.setEmbedded(engine.url)
  open.push(calibrations, pool, registry, engine)
  return { calibrations, pool, id, engine }
}

function answer(engine: TestEngine): void {
  engine.answer(({ response, body }) => {
    beginStream(response)
    const frame = (fields: object) => response.write(`data: ${JSON.stringify(fields)}\n\n`)
    frame({ choices: [{ text: 'one' }] })
    frame({ choices: [{ text: ' two' }] })
    frame({ choices: [], usage: usage(10, Number(body.max_tokens)) })
    response.end('data: [DONE]\n\n')
  })
}

async function ended(calibrations: Calibrations, id: string) {
  for (;;) {
    const view = calibrations.view(id)
    if (view.state !== 'running') return view
    await systemClock.sleep(10)
  }
}

test('a calibration is kept, applied at once, and known to the next start', async () => {
  const { calibrations, pool, id } = await setUp('0.32.0')
  assert.equal(calibrations.view(id).state, 'none')
  assert.throws(() => calibrations.profile(pool, id), { code: 'conflict' })
  const begun = calibrations.start(pool, id, 'Somebody asked for it.')
  assert.equal(begun.state, 'running')
  assert.throws(() => calibrations.start(pool, id, 'Again.'), { code: 'conflict' })
  const { state, last } = await ended(calibrations, id)
  assert.equal(state, 'done')
  assert.ok(last && last.capacityUnitsPerS > 0)
  const place = pool.engines.get(id)
  assert.equal(place?.control.cap.cap, last.knee)
  assert.match(place?.control.cap.reason ?? '', /^Calibrated on/)
  assert.equal(pool.running.size, 0)
  assert.deepEqual(pool.cost, standard, 'the weights are frozen for the run')
  const profile = parseProfile(calibrations.profile(pool, id))
  assert.equal(profile.cap, last.knee)
  assert.ok(profile.decode.length >= 1 && profile.readTokensPerS > 0)
  const next = await openCalibrations()
  assert.equal(next.cost.output, last.weights.output)
  const [row] = await database.sql`select machine, settings, cause from engine_calibrations`
  assert.equal(row?.machine.version, '0.32.0')
  assert.deepEqual(row?.settings.models, ['m'])
})

test('another version of the engine is calibrated anew, without being asked', async () => {
  const { calibrations, pool, id } = await setUp('0.32.0')
  calibrations.start(pool, id, 'Somebody asked for it.')
  await ended(calibrations, id)
  const later = await setUp('0.33.0')
  assert.doesNotMatch(later.pool.engines.get(id)?.control.cap.reason ?? '', /^Calibrated on/)
  later.calibrations.check(later.pool)
  assert.equal(later.calibrations.view(id).state, 'running')
  const { last } = await ended(later.calibrations, id)
  assert.match(last?.cause ?? '', /version/)
  later.calibrations.check(later.pool)
  assert.equal(later.calibrations.view(id).state, 'done')
})

test('of our own engine it holds for the cap that it was measured with', async () => {
  const { calibrations, pool, id } = await setUp('0.32.0')
  calibrations.start(pool, id, 'Somebody asked for it.')
  await ended(calibrations, id)
  await database.sql`update engine_calibrations
    set machine = machine || '{"kind":"gristmill"}', settings = settings || '{"cap":8}'`
  const next = await openCalibrations()
  const { profile } = pool.engines.get(id) ?? assert.fail()
  const told: EngineProfile = { ...profile, kind: 'gristmill', cap: 8, capacityUnitsPerS: null }
  assert.ok((next.applied({ id }, told).capacityUnitsPerS ?? 0) > 0)
  assert.equal(next.applied({ id }, { ...told, cap: 4 }).capacityUnitsPerS, null)
})

test('a new engine is calibrated without being asked, unless it may cost money', async () => {
  const { calibrations, pool, id } = await setUp('0.32.0')
  calibrations.check(pool)
  const { last } = await ended(calibrations, id)
  assert.match(last?.cause ?? '', /never calibrated/)
  const place = pool.engines.get(id)
  assert.equal(place?.profile.cap, last?.knee)
  assert.equal(place?.profile.express, Math.max(1, Math.ceil((last?.knee ?? 0) / 8)))
  await database.reset()
  const plain = await setUp('1', answer, 'somebody')
  plain.calibrations.check(plain.pool)
  assert.equal(plain.calibrations.view(plain.id).state, 'none')
})

test('a calibration that fails says why and leaves everything as it was', async () => {
  const { calibrations, pool, id } = await setUp('0.32.0', (engine) =>
    engine.answer(({ response }) => sendJson(response, 400, { error: { message: 'no' } })),
  )
  const cap = pool.engines.get(id)?.control.cap.cap
  calibrations.start(pool, id, 'Somebody asked for it.')
  const { state, failure, last } = await ended(calibrations, id)
  assert.deepEqual([state, last], ['failed', null])
  assert.match(failure ?? '', /status 400/)
  assert.equal(pool.engines.get(id)?.control.cap.cap, cap)
  assert.throws(() => calibrations.start(pool, 'eng_none', 'x'), { code: 'not_found' })
})

test('what was measured of an engine, or failed to be, goes with it and its replicas', async () => {
  const { calibrations, pool, id } = await setUp('0.32.0')
  calibrations.start(pool, id, 'Somebody asked for it.')
  assert.equal((await ended(calibrations, id)).state, 'done')
  calibrations.forget(`${id}ded`)
  assert.equal(calibrations.view(id).state, 'done')
  calibrations.forget(id.slice(0, -1))
  assert.equal(calibrations.view(id).state, 'done')
  calibrations.forget(id)
  assert.equal(calibrations.view(id).state, 'none')
})

test('what another gateway has measured holds here once it is read', async () => {
  const { calibrations, pool, id } = await setUp('0.32.0')
  const { calibrations: theirs, pool: theirPool } = await setUp('0.32.0')
  theirs.start(theirPool, id, 'Somebody asked for it.')
  const { last } = await ended(theirs, id)
  assert.doesNotMatch(pool.engines.get(id)?.control.cap.reason ?? '', /^Calibrated on/)
  await calibrations.refresh(pool)
  assert.equal(pool.engines.get(id)?.control.cap.cap, last?.knee)
  assert.match(pool.engines.get(id)?.control.cap.reason ?? '', /^Calibrated on/)
  calibrations.check(pool)
  assert.equal(calibrations.view(id).state, 'done', 'and it is not measured again')
})

for (const what of ['runs', 'waits'] as const) {
  test(`a calibration that ${what} ends where another gateway begins to schedule`, async () => {
    const { calibrations, pool, id, engine } = await setUp('0.32.0')
    engine.answer(() => {})
    const seen = engine.seen.length
    const cap = pool.engines.get(id)?.control.cap.cap
    const others = new PoolCalibrationPlaces(pool, id, common)
    if (what === 'waits') {
      others.allow(1)
      await others.take(new AbortController().signal)
    }
    calibrations.start(pool, id, 'Somebody asked for it.')
    await eventually('it has begun', () => pool.waitingCount + engine.seen.length > seen)
    calibrations.stop('another gateway schedules')
    pool.clear()
    assert.equal((await ended(calibrations, id)).state, 'failed')
    assert.equal(pool.engines.get(id)?.control.cap.cap, cap)
  })
}
