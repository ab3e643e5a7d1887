/**
 * `bench overhead`: what the gateway costs. CPU of the gateway's process alone, user and system,
 * against a bare proxy on the same Node in turns; authentication, scheduler, ledger, logs and
 * metrics as by default, with many tenants and keys loaded.
 */

import { circumstances, cpuUs, residentBytes } from './harness.ts'
import { closedLoop, openLoop, type Sample } from './load.ts'
import {
  type Arm,
  type Arms,
  type Fellows,
  LONG,
  SHORT,
  STREAMS_AT_ONCE,
  startArms,
  streamTarget,
} from './overhead-arms.ts'
import { measureMemory } from './overhead-memory.ts'
import { measureParts } from './overhead-parts.ts'
import { median, percentile } from './quantiles.ts'
import { alternate, bootstrap } from './statistics.ts'

export interface OverheadOptions {
  /** Turns of each arm. */
  pairs?: number
  /** Requests of each arm in all, over its processes. */
  requests?: number
  /** Streams of each arm and length in all. */
  streams?: number
  /** Requests of each arm at a fixed rate; 0 leaves latency out. */
  latencyRequests?: number
  tenants?: number
  keys?: number
  seed?: number
  /** Requests at once in the closed loop. */
  connections?: number
  /** Requests over which memory is watched; 0 leaves that out. */
  memoryRequests?: number
  /** Folder for a CPU profile of the gateway; the figures are not to be published then. */
  profile?: string | undefined
  /** Whether a route and the translation of streams are measured by themselves as well. */
  parts?: boolean
  /** Commit whose gateway is measured as well, in the same turns. */
  base?: string | undefined
  /** Processes of each gateway, over which requests are averaged. */
  processes?: number
  /** Whether the model has a price and every tenant a hard budget; not at the base. */
  charged?: boolean
  log?: (text: string) => void
}

const CONNECTIONS = 16
/** Fewer in one process are no figure. */
const REQUESTS_MIN = 20_000
/** Of each gateway where two commits are compared. */
const BASE_PROCESSES = 4
const RATE_PER_S = 200
const LATENCY_PARTS = 4

export async function benchOverhead(options: OverheadOptions = {}) {
  const { pairs = 15, streams = 480, latencyRequests = 20_000 } = options
  const { tenants = 1000, keys = 10_000, seed = 1, connections = CONNECTIONS } = options
  const { memoryRequests = 0, processes = options.base === undefined ? 1 : BASE_PROCESSES } =
    options
  // The bare proxy is one process.
  const { requests = Math.max(60_000, REQUESTS_MIN * processes) } = options
  const log = options.log ?? (() => undefined)
  await using stack = new AsyncDisposableStack()
  const { arms, fellows, parts, inspectorUrl, baseCommit } = await startArms(stack, {
    ...options,
    tenants,
    keys,
    seed,
    processes,
    isInspected: memoryRequests > 0,
  })
  const json = await measureRequests(arms, fellows, { pairs, requests, connections }, log)
  const chunks = await measureStreams(arms, pairs, streams, log)
  const single = options.parts
    ? await measureParts(arms.gristmill.pid, await parts(), {
        pairs,
        requests,
        streams,
        connections,
        log,
      })
    : null
  const latency =
    latencyRequests > 0 ? await measureLatency(arms, latencyRequests, seed, log) : null
  const memory =
    memoryRequests > 0
      ? await measureMemory({
          ...arms.gristmill,
          inspectorUrl,
          requests: memoryRequests,
          connections,
          log,
        })
      : null
  return {
    ...json,
    ...chunks,
    ...single,
    ...latency,
    ...memory,
    tenants,
    keys,
    seed,
    processes,
    rounds: pairs,
    ...(baseCommit !== undefined && { baseCommit }),
    ...circumstances(),
  }
}

async function measureRequests(
  arms: Arms,
  fellows: Fellows,
  { pairs, requests, connections }: { pairs: number; requests: number; connections: number },
  log: (text: string) => void,
) {
  const processes = 1 + fellows.gristmill.length
  const count = Math.ceil(requests / pairs / processes)
  const residentBefore = residentBytes(arms.gristmill.pid)
  const cost = async (name: string, { target, pid }: Arm) => {
    const startMs = performance.now()
    const us = await costOf(pid, () => closedLoop(target, { connections, count }))
    const perS = (count * 1000) / (performance.now() - startMs)
    log(`requests, ${name}: ${(us / count).toFixed(1)} µs each, ${perS.toFixed(0)} a second`)
    return us / count
  }
  const all = {
    ...arms,
    ...numbered('gristmill', fellows.gristmill),
    ...numbered('base', fellows.base),
  }
  const each = await alternate(perArm(all, cost), pairs)
  const { bare = [], nginx } = each
  const gristmill = meanTurns(each, 'gristmill')
  const base = arms.base && meanTurns(each, 'base')
  return {
    usPerRequest: median(gristmill),
    bareUsPerRequest: median(bare),
    ...(nginx && { nginxUsPerRequest: median(nginx) }),
    ...(base && {
      baseUsPerRequest: median(base),
      requestOverBase: median(ratios(gristmill, base)),
      requestsOverBase: ratios(gristmill, base),
      usPerProcess: processesOf(each, 'gristmill').map(median),
      baseUsPerProcess: processesOf(each, 'base').map(median),
    }),
    requestRatio: median(ratios(gristmill, bare)),
    requestRatios: ratios(gristmill, bare),
    requestsPerArm: count * pairs * processes,
    connections,
    residentGrowthBytes: residentBytes(arms.gristmill.pid) - residentBefore,
  }
}

const numbered = (name: string, fellows: readonly Arm[]): Record<string, Arm> =>
  Object.fromEntries(fellows.map((arm, i) => [`${name} ${i + 2}`, arm]))

const processesOf = (each: Record<string, number[]>, name: string): number[][] =>
  Object.entries(each)
    .filter(([key]) => key === name || key.startsWith(`${name} `))
    .map(([, turns]) => turns)

/** What a request cost in each turn, over all processes of a gateway. */
function meanTurns(each: Record<string, number[]>, name: string): number[] {
  const processes = processesOf(each, name)
  const sums = (processes[0] ?? []).map((_, turn) =>
    processes.reduce((sum, turns) => sum + (turns[turn] ?? 0), 0),
  )
  return sums.map((sum) => sum / processes.length)
}

async function measureStreams(
  arms: Arms,
  pairs: number,
  streams: number,
  log: (text: string) => void,
) {
  if (streams === 0) return null
  const count = Math.ceil(streams / pairs / STREAMS_AT_ONCE) * STREAMS_AT_ONCE
  const perStream = async ({ target, pid }: Arm, length: number) => {
    const load = () =>
      closedLoop(streamTarget(target, length), { connections: STREAMS_AT_ONCE, count })
    return (await costOf(pid, load)) / count
  }
  const cost = async (name: string, arm: Arm) => {
    const long = await perStream(arm, LONG)
    const us = (long - (await perStream(arm, SHORT))) / (LONG - SHORT)
    log(`streams, ${name}: ${us.toFixed(2)} µs per chunk, ${long.toFixed(0)} µs per long stream`)
    return us
  }
  const each = await alternate(perArm(arms, cost), pairs)
  const { bare = [], gristmill = [], nginx, base } = each
  return {
    usPerChunk: median(gristmill),
    bareUsPerChunk: median(bare),
    ...(nginx && { nginxUsPerChunk: median(nginx) }),
    ...(base && {
      baseUsPerChunk: median(base),
      chunkOverBase: median(ratios(gristmill, base)),
      chunksOverBase: ratios(gristmill, base),
    }),
    chunkRatio: median(ratios(gristmill, bare)),
    chunkRatios: ratios(gristmill, bare),
    streamsPerArmAndLength: count * pairs,
  }
}

async function measureLatency(
  arms: Arms,
  requests: number,
  seed: number,
  log: (text: string) => void,
) {
  const count = Math.ceil(requests / LATENCY_PARTS)
  const cpu: Record<string, number> = {}
  const run = async (name: string, { target, pid }: Arm) => {
    let samples: Sample[] = []
    const us = await costOf(pid, async () => {
      samples = await openLoop(target, { perS: RATE_PER_S, count })
    })
    cpu[name] = (cpu[name] ?? 0) + us
    return samples
  }
  const { nginx: _nginx, ...compared } = arms
  const parts = await alternate(perArm(compared, run), LATENCY_PARTS)
  const times = (samples: Sample[][] = []) => samples.flat().map(({ totalMs }) => totalMs)
  const bare = times(parts.bare)
  const ours = times(parts.gristmill)
  const base = times(parts.base)
  const added = (a: readonly number[], b: readonly number[]) =>
    percentile(a, 0.99) - percentile(b, 0.99)
  const { value, low, high } = bootstrap(ours, bare, added, seed)
  const overBase = base.length > 0 ? bootstrap(ours, base, added, seed) : undefined
  const slow = slowSeconds(parts.gristmill)
  log(`latency: the slowest percent fell into the seconds ${slow.join(', ')}`)
  log(`latency: p50 ${median(ours).toFixed(2)} ms, bare ${median(bare).toFixed(2)}`)
  const { gristmill: cpuUsOurs = 0, bare: cpuUsBare = 0, base: cpuUsBase = 0 } = cpu
  return {
    p99AddedMs: value,
    p99AddedMsLow: low,
    p99AddedMsHigh: high,
    p50AddedMs: median(ours) - median(bare),
    nLatency: ours.length,
    // Few where something comes in bursts, nearly all where it is spread.
    slowSeconds: slow.length,
    bareSlowSeconds: slowSeconds(parts.bare).length,
    ...(parts.base && { baseSlowSeconds: slowSeconds(parts.base).length }),
    ...(overBase && {
      p99OverBaseMs: overBase.value,
      p99OverBaseMsLow: overBase.low,
      p99OverBaseMsHigh: overBase.high,
      requestOverBaseAtRate: cpuUsOurs / cpuUsBase,
    }),
    // At an equal rate: a process that rests between requests pays for every waking.
    usPerRequestAtRate: cpuUsOurs / ours.length,
    bareUsPerRequestAtRate: cpuUsBare / bare.length,
    requestRatioAtRate: cpuUsOurs / cpuUsBare,
    ratePerS: RATE_PER_S,
  }
}

/** Seconds of an arm's latency runs, one after the other, in which its slowest percent fell. */
function slowSeconds(parts: readonly Sample[][] = []): number[] {
  const times = parts.flat().map(({ totalMs }) => totalMs)
  const p99Ms = percentile(times, 0.99)
  const slow = times.flatMap((ms, at) => (ms > p99Ms ? [Math.floor(at / RATE_PER_S)] : []))
  return [...new Set(slow)]
}

/** One run of `measure` for every arm there is. */
function perArm<Result>(
  arms: Partial<Arms> | Record<string, Arm>,
  measure: (name: string, arm: Arm) => Promise<Result>,
): Record<string, () => Promise<Result>> {
  const entries = Object.entries(arms) as [string, Arm][]
  return Object.fromEntries(entries.map(([name, arm]) => [name, () => measure(name, arm)]))
}

/** CPU time of a process while something runs, microseconds. */
async function costOf(pid: number, run: () => Promise<unknown>): Promise<number> {
  const before = cpuUs(pid)
  await run()
  return cpuUs(pid) - before
}

const ratios = (a: readonly number[], b: readonly number[]) =>
  a.map((value, i) => value / (b[i] ?? Number.NaN))
