/**
 * `bench overhead`: what the gateway costs. CPU of the gateway's process alone, user and system,
 * against a bare proxy on the same Node in turns; authentication, scheduler, ledger, logs and
 * metrics as by default, with many tenants and keys loaded.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { seededRandom } from '../src/base/index.ts'
import { circumstances, cpuUs, residentBytes, startProgram } from './harness.ts'
import { closedLoop, openLoop, type Sample, type Target } from './load.ts'
import { startNginx } from './nginx-proxy.ts'
import { inspectorUrlIn, measureMemory } from './overhead-memory.ts'
import { populate } from './population.ts'
import { median, percentile } from './quantiles.ts'
import { type Server, startServer } from './server.ts'
import { alternate, bootstrap } from './statistics.ts'

export interface OverheadOptions {
  /** Turns of each arm. */
  pairs?: number
  /** Requests of each arm in all. */
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
  log?: (text: string) => void
}

const CONNECTIONS = 16
const STREAMS_AT_ONCE = 32
const SHORT = 64
const LONG = 256
const RATE_PER_S = 200
const LATENCY_PARTS = 4

interface Arm {
  target: Target
  pid: number
}
interface Arms {
  bare: Arm
  gristmill: Arm
  /** Where it is installed. */
  nginx?: Arm
}

export async function benchOverhead(options: OverheadOptions = {}) {
  const { pairs = 5, requests = 20_000, streams = 480, latencyRequests = 20_000 } = options
  const { tenants = 1000, keys = 10_000, seed = 1, connections = CONNECTIONS } = options
  const { memoryRequests = 0 } = options
  const log = options.log ?? (() => undefined)
  await using stack = new AsyncDisposableStack()
  const mock = await startProgram<{ url: string }>('mock-engine.ts')
  stack.defer(mock.stop)
  const bare = await startProgram<{ url: string }>('bare-proxy.ts', [mock.ready.url])
  stack.defer(bare.stop)
  let inspectorUrl: string | undefined
  const server = await startServer({
    engine: 'none',
    environment: { NODE_OPTIONS: nodeOptions(options.profile, memoryRequests > 0) },
    log: (said) => {
      inspectorUrl ??= inspectorUrlIn(said)
    },
  })
  stack.defer(server.stop)
  const secrets = await populate(databaseUrlOf(server), tenants, keys)
  await server.admin.post('/api/engines', { url: mock.ready.url, name: 'mock' })
  const random = seededRandom(seed)
  const key = () => secrets[Math.floor(random.next() * secrets.length)] ?? ''
  const nginx = await startNginx(mock.ready.url)
  if (nginx) stack.defer(nginx.stop)
  const arms: Arms = {
    ...(nginx && { nginx: { target: targetOf(nginx.url, key), pid: nginx.pid } }),
    bare: { target: targetOf(bare.ready.url, key), pid: bare.pid },
    gristmill: { target: targetOf(server.url, key), pid: server.pid },
  }
  await warmUp(arms, server, secrets)
  const json = await measureRequests(arms, { pairs, requests, connections }, log)
  const chunks = await measureStreams(arms, pairs, streams, log)
  const latency =
    latencyRequests > 0 ? await measureLatency(arms, latencyRequests, seed, log) : null
  const memory =
    memoryRequests > 0
      ? await measureMemory({
          ...arms.gristmill,
          inspectorUrl: () => inspectorUrl,
          requests: memoryRequests,
          connections,
          log,
        })
      : null
  return {
    ...json,
    ...chunks,
    ...latency,
    ...memory,
    tenants,
    keys,
    seed,
    rounds: pairs,
    ...circumstances(),
  }
}

function nodeOptions(profile: string | undefined, isInspected: boolean): string {
  const options = []
  if (profile !== undefined) options.push('--cpu-prof', `--cpu-prof-dir=${profile}`)
  if (isInspected) options.push('--inspect-port=0')
  return options.join(' ')
}

function databaseUrlOf({ home }: Server): string {
  const text = readFileSync(join(home, 'server.json'), 'utf8')
  return (JSON.parse(text) as { databaseUrl: string }).databaseUrl
}

/** Requests of 1 kB, each with a key drawn at random. */
function targetOf(url: string, key: () => string, stream?: number): Target {
  const fields = {
    model: 'mock',
    max_tokens: stream ?? 150,
    ...(stream !== undefined && { stream: true, stream_options: { include_usage: true } }),
  }
  const bodyOf = (content: string) =>
    JSON.stringify({ ...fields, messages: [{ role: 'user', content }] })
  const body = Buffer.from(bodyOf('y'.repeat(1024 - bodyOf('').length)))
  return {
    url,
    next: () => ({
      path: '/v1/chat/completions',
      headers: ['content-type', 'application/json', 'authorization', `Bearer ${key()}`],
      body,
    }),
  }
}

const streamTarget = ({ url, next }: Target, length: number): Target =>
  targetOf(url, () => String(next().headers[3]).slice('Bearer '.length), length)

/** Every key is used once, so that none is looked up in the measured part, and code gets hot. */
async function warmUp(arms: Arms, server: Server, secrets: readonly string[]): Promise<void> {
  let next = 0
  const each = targetOf(server.url, () => secrets[next++ % secrets.length] ?? '')
  await closedLoop(each, { connections: CONNECTIONS, count: secrets.length })
  await closedLoop(arms.bare.target, { connections: CONNECTIONS, count: 5000 })
  for (const { target } of Object.values(arms) as Arm[]) {
    await closedLoop(streamTarget(target, SHORT), { connections: STREAMS_AT_ONCE, count: 64 })
  }
}

async function measureRequests(
  arms: Arms,
  { pairs, requests, connections }: { pairs: number; requests: number; connections: number },
  log: (text: string) => void,
) {
  const count = Math.ceil(requests / pairs)
  const residentBefore = residentBytes(arms.gristmill.pid)
  const cost = async (name: string, { target, pid }: Arm) => {
    const startMs = performance.now()
    const us = await costOf(pid, () => closedLoop(target, { connections, count }))
    const perS = (count * 1000) / (performance.now() - startMs)
    log(`requests, ${name}: ${(us / count).toFixed(1)} µs each, ${perS.toFixed(0)} a second`)
    return us / count
  }
  const each = await alternate(perArm(arms, cost), pairs)
  const { bare = [], gristmill = [], nginx } = each
  return {
    usPerRequest: median(gristmill),
    bareUsPerRequest: median(bare),
    ...(nginx && { nginxUsPerRequest: median(nginx) }),
    requestRatio: median(ratios(gristmill, bare)),
    requestRatios: ratios(gristmill, bare),
    requestsPerArm: count * pairs,
    connections,
    residentGrowthBytes: residentBytes(arms.gristmill.pid) - residentBefore,
  }
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
  const { bare = [], gristmill = [], nginx } = each
  return {
    usPerChunk: median(gristmill),
    bareUsPerChunk: median(bare),
    ...(nginx && { nginxUsPerChunk: median(nginx) }),
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
  const cpu = { bare: 0, gristmill: 0 }
  const run = async (name: 'bare' | 'gristmill') => {
    const { target, pid } = arms[name]
    let samples: Sample[] = []
    cpu[name] += await costOf(pid, async () => {
      samples = await openLoop(target, { perS: RATE_PER_S, count })
    })
    return samples
  }
  const parts = await alternate(
    { bare: () => run('bare'), gristmill: () => run('gristmill') },
    LATENCY_PARTS,
  )
  const times = (samples: Sample[][] = []) => samples.flat().map(({ totalMs }) => totalMs)
  const bare = times(parts.bare)
  const ours = times(parts.gristmill)
  const added = (a: readonly number[], b: readonly number[]) =>
    percentile(a, 0.99) - percentile(b, 0.99)
  const { value, low, high } = bootstrap(ours, bare, added, seed)
  log(`latency: p50 ${median(ours).toFixed(2)} ms, bare ${median(bare).toFixed(2)}`)
  return {
    p99AddedMs: value,
    p99AddedMsLow: low,
    p99AddedMsHigh: high,
    p50AddedMs: median(ours) - median(bare),
    nLatency: ours.length,
    // At an equal rate: a process that rests between requests pays for every waking.
    usPerRequestAtRate: cpu.gristmill / ours.length,
    bareUsPerRequestAtRate: cpu.bare / bare.length,
    requestRatioAtRate: cpu.gristmill / cpu.bare,
    ratePerS: RATE_PER_S,
  }
}

/** One run of `measure` for every arm there is. */
function perArm<Result>(
  arms: Arms,
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
