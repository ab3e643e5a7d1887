import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  createLogger,
  type ErrorCode,
  FakeClock,
  GristmillError,
  limitTable,
  systemRandom,
} from '../base/index.ts'
import { until } from '../base/test-eventually.ts'
import type { LineEnd, LineRequest, ReadAtDoor } from '../gateway/index.ts'
import type { Database } from '../store/index.ts'
import type { Principal } from '../tenancy/index.ts'
import { BackgroundRun } from './background-run.ts'
import type { BackgroundEnd, BackgroundRow } from './background-store.ts'
import type { ResponseRunnerOptions } from './response-runner.ts'
import type { ResponseStore } from './response-store.ts'

const row: BackgroundRow = {
  id: 'resp_1',
  tenantId: 'ten',
  keyId: 'key',
  status: 'queued',
  serviceClass: 'standard',
  endUser: null,
  sessionId: null,
  tags: [],
  tries: 0,
  createdAt: new Date(0),
}

const usage = { inputTokens: 1, cachedTokens: 0, outputTokens: 1 }
const good: LineEnd = {
  answer: { status: 200, body: Buffer.from('{"status":"completed"}') },
  error: null,
  usage,
}
const limits = {
  backgroundMsMax: limitTable.backgroundMsMax.default,
  batchModelWaitMsMax: limitTable.batchModelWaitMsMax.default,
}

/** One that runs: what each try comes to, and what its end is stored by. */
function started(endOf: () => LineEnd, store: (end: BackgroundEnd) => boolean) {
  const clock = new FakeClock(0)
  const content = { request: Buffer.from('{}'), answer: Buffer.from('{}') }
  const responses = {
    queued: async () => content,
    end: async (_row: unknown, _before: unknown, end: BackgroundEnd) => store(end),
  }
  let fate: string | undefined
  const runLine = (line: LineRequest) => {
    void line.ended(endOf()).then((told) => {
      fate = told
    })
    return { isWaiting: false, hurry() {}, cut() {} }
  }
  const services: ResponseRunnerOptions = {
    database: {} as Database,
    responses: responses as unknown as ResponseStore,
    gateway: { runLine, readQueued: async () => ({ request: {} }) as ReadAtDoor },
    clock,
    random: systemRandom,
    limits,
    logger: createLogger('silent', 'test'),
    principalOf: async () => ({}) as Principal,
    isOurs: () => true,
    fence: () => async () => true,
  }
  const run = new BackgroundRun(services, row)
  return { run, ended: run.run(), clock, fate: () => fate }
}

/** One that has its answer while the database is away. */
function answeredWhileAway() {
  const tries = { count: 0, isAway: true }
  const store = () => {
    tries.count++
    if (tries.isAway) throw Object.assign(new Error('away'), { code: 'ECONNREFUSED' })
    return false
  }
  return { ...started(() => good, store), tries }
}

/** One whose tries fail, as long as the test says. */
function failing(code: ErrorCode) {
  const error = new GristmillError(code, { reason: 'of the test', renewsAt: 'soon' })
  const told = { tries: 0, isFailing: true, end: undefined as BackgroundEnd | undefined }
  const endOf = () => {
    told.tries++
    return told.isFailing ? { answer: null, error, usage } : good
  }
  const store = (end: BackgroundEnd) => {
    told.end = end
    return true
  }
  const run = started(endOf, store)
  /** Time goes by in steps until something is so, or it has ended. */
  const later = (stepMs: number, holds: () => boolean) =>
    until(() => {
      run.clock.advance(stepMs)
      return holds() || told.end !== undefined
    })
  return { ...run, later, told }
}

describe('a response in the background', () => {
  it('waits where lines of batches wait: for a budget and for a model that is away', async () => {
    for (const code of ['budget_exceeded', 'budget_used_up', 'model_not_found'] as const) {
      const { ended, later, told } = failing(code)
      await later(60_000, () => told.tries > 1)
      told.isFailing = false
      await later(60_000, () => false)
      await ended
      assert.equal(told.end?.status, 'completed', code)
    }
  })

  it('does not wait for ever for a model that does not come back', async () => {
    const { ended, later, told } = failing('model_not_found')
    await later(limits.batchModelWaitMsMax, () => false)
    await ended
    assert.ok(told.tries > 1)
    assert.equal(told.end?.status, 'failed')
  })

  it('waits for a budget as long as it may wait at all', async () => {
    const { ended, later, told } = failing('budget_used_up')
    await later(limits.backgroundMsMax / 2, () => false)
    await ended
    assert.ok(told.tries > 1)
    assert.match(JSON.stringify(told.end?.answer.error), /budget_used_up/)
  })
})

describe('an answer that comes while the database is away', () => {
  it('waits for it where another gateway schedules by now, so that its end is known', async () => {
    const { run, ended, clock, tries, fate } = answeredWhileAway()
    await until(() => tries.count === 1)
    run.cut()
    clock.advance(1000)
    await until(() => tries.count === 2)
    tries.isAway = false
    clock.advance(1000)
    await ended
    assert.equal(fate(), 'dropped')
  })

  it('is left to the next start at a shutdown', async () => {
    const { run, ended, clock, tries, fate } = answeredWhileAway()
    await until(() => tries.count === 1)
    run.stop()
    clock.advance(1000)
    await ended
    assert.equal(fate(), 'unknown')
  })
})
