import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createLogger, FakeClock, limitTable, systemRandom } from '../base/index.ts'
import { until } from '../base/test-eventually.ts'
import type { LineRequest, ReadAtDoor } from '../gateway/index.ts'
import type { Database } from '../store/index.ts'
import type { Principal } from '../tenancy/index.ts'
import { BackgroundRun } from './background-run.ts'
import type { BackgroundRow } from './background-store.ts'
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

/** One that has its answer while the database is away. */
function started() {
  const clock = new FakeClock(0)
  const tries = { count: 0, isAway: true }
  const end = () => {
    tries.count++
    if (tries.isAway) throw Object.assign(new Error('away'), { code: 'ECONNREFUSED' })
    return false
  }
  const content = { request: Buffer.from('{}'), answer: Buffer.from('{}') }
  const responses = { queued: async () => content, end: async () => end() }
  let fate: string | undefined
  const runLine = (line: LineRequest) => {
    const usage = { inputTokens: 1, cachedTokens: 0, outputTokens: 1 }
    const answer = { status: 200, body: Buffer.from('{"status":"completed"}') }
    void line.ended({ answer, error: null, usage }).then((told) => {
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
    limits: { backgroundMsMax: limitTable.backgroundMsMax.default },
    logger: createLogger('silent', 'test'),
    principalOf: async () => ({}) as Principal,
    isOurs: () => true,
    fence: () => async () => true,
  }
  const run = new BackgroundRun(services, row)
  return { run, ended: run.run(), clock, tries, fate: () => fate }
}

describe('an answer that comes while the database is away', () => {
  it('waits for it where another gateway schedules by now, so that its end is known', async () => {
    const { run, ended, clock, tries, fate } = started()
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
    const { run, ended, clock, tries, fate } = started()
    await until(() => tries.count === 1)
    run.stop()
    clock.advance(1000)
    await ended
    assert.equal(fate(), 'unknown')
  })
})
