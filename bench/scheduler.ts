/**
 * `bench scheduler`: one cycle arrive → next → 4 × progress → finish of the scheduler alone, with
 * many tenants and a long queue against few and a short one, in turns; beside it the same of a
 * scheduler that can do nothing but share, whose growth is that of memory.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Random, seededRandom } from '../src/base/index.ts'
import {
  type Arrival,
  type Dispatch,
  defaultSchedulerConfig,
  Scheduler,
} from '../src/pool/index.ts'
import { BarestScheduler } from './barest-scheduler.ts'
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
  const loads = {
    few,
    many,
    barestFew: fillBarest(FEW.tenants, FEW.queued, seed),
    barestMany: fillBarest(tenants, queued, seed),
  }
  const names = Object.keys(loads) as (keyof typeof loads)[]
  const us = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<
    keyof typeof loads,
    number[]
  >
  for (const name of names) run(loads[name], cycles)
  for (let pair = 0; pair < pairs; pair++) {
    for (const name of names) us[name].push(run(loads[name], cycles))
    log(`${names.map((name) => `${name} ${us[name].at(-1)?.toFixed(2)}`).join(', ')} µs per cycle`)
  }
  return {
    usPerDispatch: median(us.many),
    usPerDispatchFew: median(us.few),
    growth: median(us.many) / median(us.few),
    barestUsPerDispatch: median(us.barestMany),
    barestGrowth: median(us.barestMany) / median(us.barestFew),
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

/** Does one cycle; `turn` says which of those that run ends. */
type Load = (turn: number) => void

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
      estimatedInputTokens: drawInput(random),
      deadlineMs: NEVER_MS + count,
      queueDepthMax: queued,
      tenantConcurrencyMax: null,
      keyConcurrencyMax: null,
    }
    scheduler.arrive(arrival)
  }
  for (let i = 0; i < queued + CAP; i++) arrive()
  while (scheduler.next());
  const running = [...scheduler.runningTickets()]
  return (turn) => {
    const ticket = running[turn % CAP] as Dispatch['ticket']
    arrive()
    for (let tokens = 16; tokens <= 64; tokens += 16) scheduler.progress(ticket, tokens)
    scheduler.finish(ticket)
    running[turn % CAP] = mustBe(scheduler.next()).ticket
  }
}

function fillBarest(tenants: number, queued: number, seed: number): Load {
  const random = seededRandom(seed)
  const scheduler = new BarestScheduler(tenants, queued + CAP + 1)
  const arrive = () => scheduler.arrive(Math.floor(random.next() * tenants), drawInput(random))
  for (let i = 0; i < queued + CAP; i++) arrive()
  const running = Array.from({ length: CAP }, () => mustBe(scheduler.next()))
  return (turn) => {
    const ticket = running[turn % CAP] as number
    arrive()
    for (let tokens = 16; tokens <= 64; tokens += 16) scheduler.progress(ticket, 16)
    scheduler.finish(ticket)
    running[turn % CAP] = mustBe(scheduler.next())
  }
}

const drawInput = (random: Random) => 10 + Math.floor(random.next() * 500)

function mustBe<T>(next: T | undefined): T {
  if (next === undefined) throw new Error('a full queue gave nothing to run')
  return next
}

/**
 * Microseconds per cycle; the queue keeps its length. A turn starts with an empty nursery and pays
 * for emptying it again: else what the long queue keeps alive would be copied in whichever turn
 * happens to fill the nursery, as often one of the short queue's.
 */
function run(cycle: Load, cycles: number): number {
  emptyNursery()
  const startMs = performance.now()
  for (let turn = 0; turn < cycles; turn++) cycle(turn)
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
