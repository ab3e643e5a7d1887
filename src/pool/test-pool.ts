/** A pool on a clock that tests move; its engines answer nobody. Never used by the program. */
import { createLogger, FakeClock, Registry } from '../base/index.ts'
import type { Engine, EngineProfile } from '../engine/index.ts'
import type { CapacityMinute, EngineChange } from '../meter/index.ts'
import { Pool } from './pool.ts'
import type { TicketRequest } from './types.ts'

export function engine(id: string): Engine {
  const unused = () => Promise.reject(new Error('not asked in these tests'))
  return {
    id,
    name: id,
    url: `http://${id}`,
    speaksMessages: false,
    probePeriodMs: 2000,
    dispatch: () => ({ resume() {}, abort() {} }),
    probe: unused,
    load: () => Promise.resolve(null),
    stepTimes: () => Promise.resolve(null),
    countOf: () => Promise.resolve(null),
    countTokens: unused,
    close: () => Promise.resolve(),
  }
}

export function profile(cap: number): EngineProfile {
  return {
    kind: 'gristmill',
    version: null,
    models: [{ name: 'm', contextTokens: 2048, toy: false }],
    cap,
    capReason: 'set by the test',
    express: 1,
    capacityUnitsPerS: 100,
    takesPriority: true,
    takesCacheSalt: true,
    spare: 0,
    capMost: cap,
    tokenGapMs: null,
    takesCacheOff: false,
    yieldsBySteps: false,
    tellsLoad: false,
    advice: null,
  }
}

let serial = 0

export function request(tenantId: string, change: Partial<TicketRequest> = {}): TicketRequest {
  return {
    id: `req_${serial++}`,
    model: 'm',
    tenantId,
    tenantWeight: 1,
    projectId: 'p',
    projectWeight: 1,
    keyId: `k-${tenantId}`,
    userId: `k-${tenantId}`,
    serviceClass: 'standard',
    estimatedInputTokens: 10,
    outputTokensMax: 100,
    waitMsMax: 30_000,
    queueDepthMax: 100,
    tenantConcurrencyMax: null,
    keyConcurrencyMax: null,
    ...change,
  }
}

export function setUp(cap = 2) {
  const clock = new FakeClock()
  clock.advance(60_000)
  const rows: CapacityMinute[] = []
  const changes: EngineChange[] = []
  const pool = new Pool({
    clock,
    logger: createLogger('silent', 'test'),
    registry: new Registry(),
    order: 'fair',
    recordCapacity: (more) => rows.push(...more),
    recordChange: (change) => changes.push(change),
  })
  pool.setEngine(engine('e'), profile(cap), 'up', 'It answers.')
  return { clock, pool, rows, changes }
}

export const end = (outputTokens: number) => ({
  inputTokens: 10,
  cachedTokens: 0,
  outputTokens,
  outcome: 'kept' as const,
})
