/**
 * `bench scheduler`: one cycle arrive → next → 4 × progress → finish of the scheduler alone, with
 * many tenants and a long queue against few and a short one, in turns.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { seededRandom } from '../src/base/index.ts'
import {
  type Arrival,
  type Dispatch,
  defaultSchedulerConfig,
  Scheduler,
} from '../src/pool/index.ts'
import { circumstances } from './harness.ts'
import { median } from './quantiles.ts'

export interface SchedulerOptions {
  /** Turns of each size. */
  pairs?: number
  /** Cycles of each turn. */
  cycles?: number
  tenants?: number
  queued?: number
  seed?: number
  log?: (text: string) => void
}

const FEW = { tenants: 10, queued: 1000 }
const CAP = 64
const NEVER_MS = 1e12

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as (options?: { type: 'minor' }) => void

export async function benchScheduler(options: SchedulerOptions = {}) {
  const { pairs = 7, cycles = 100_000, tenants = 10_000, queued = 1_000_000, seed = 1 } = options
  const log = options.log ?? (() => undefined)
  const before = keptBytes()
  const many = fill(tenants, queued, seed)
  const bytesPerTicket = (keptBytes() - before) / queued
  const few = fill(FEW.tenants, FEW.queued, seed)
  const us: Record<'many' | 'few', number[]> = { many: [], few: [] }
  run(few, cycles)
  run(many, cycles)
  for (let pair = 0; pair < pairs; pair++) {
    us.few.push(run(few, cycles))
    us.many.push(run(many, cycles))
    log(`few: ${us.few.at(-1)?.toFixed(2)} µs, many: ${us.many.at(-1)?.toFixed(2)} µs per cycle`)
  }
  return {
    usPerDispatch: median(us.many),
    usPerDispatchFew: median(us.few),
    growth: median(us.many) / median(us.few),
    bytesPerTicket: Math.round(bytesPerTicket),
    usPerDispatchAll: us.many,
    tenants,
    queued,
    cycles,
    seed,
    rounds: pairs,
    ...circumstances(),
  }
}

interface Load {
  scheduler: Scheduler
  arrive(): void
}

/** A scheduler with a full engine and a queue of the wanted length. */
function fill(tenants: number, queued: number, seed: number): Load {
  const random = seededRandom(seed)
  const scheduler = new Scheduler(defaultSchedulerConfig)
  scheduler.setEngine({ id: 'engine', models: ['m'], cap: CAP, express: 0, backgroundReserve: 0 })
  const names = Array.from({ length: tenants }, (_, i) => `tenant-${i}`)
  let count = 0
  const arrive = () => {
    const tenantId = names[Math.floor(random.next() * tenants)] as string
    const arrival: Arrival = {
      id: String(count++),
      model: 'm',
      tenantId,
      tenantWeight: 1,
      projectId: tenantId,
      projectWeight: 1,
      keyId: tenantId,
      userId: tenantId,
      serviceClass: 'standard',
      estimatedInputTokens: 10 + Math.floor(random.next() * 500),
      deadlineMs: NEVER_MS + count,
      queueDepthMax: queued,
      tenantConcurrencyMax: null,
      keyConcurrencyMax: null,
    }
    scheduler.arrive(arrival)
  }
  for (let i = 0; i < queued + CAP; i++) arrive()
  while (scheduler.next());
  return { scheduler, arrive }
}

/**
 * Microseconds per cycle; the queue keeps its length. A turn starts with an empty nursery and pays
 * for emptying it again: else what the long queue keeps alive would be copied in whichever turn
 * happens to fill the nursery, as often one of the short queue's.
 */
function run({ scheduler, arrive }: Load, cycles: number): number {
  const running = [...scheduler.runningTickets()]
  emptyNursery()
  const startMs = performance.now()
  for (let i = 0; i < cycles; i++) {
    const ticket = running[i % running.length] as Dispatch['ticket']
    arrive()
    for (let tokens = 16; tokens <= 64; tokens += 16) scheduler.progress(ticket, tokens)
    scheduler.finish(ticket)
    const next = scheduler.next()
    if (next === undefined) throw new Error('a full queue gave nothing to run')
    running[i % running.length] = next.ticket
  }
  emptyNursery()
  return ((performance.now() - startMs) * 1000) / cycles
}

/** What outlives two of its collections is moved out of it. */
function emptyNursery(): void {
  for (let i = 0; i < 2; i++) collectGarbage({ type: 'minor' })
}

/** Memory after a collection, so that no turn pays for what filling left behind either. */
function keptBytes(): number {
  collectGarbage()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
