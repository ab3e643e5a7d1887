/**
 * `bench isolation`: what a neighbour's flood costs a light tenant, fairly shared and first come,
 * first served, on the same gateway, engine and cap.
 */
import { seededRandom } from '../src/base/index.ts'
import type { EngineView } from '../src/http/index.ts'
import { type Call, closedLoop, type Load, openLoop, sleep, type Target } from './chat-load.ts'
import { mean, median, percentile, ratioInterval } from './quantiles.ts'
import { createTenant, type Server, startServer } from './server.ts'

export interface IsolationOptions {
  /** Path of a GGUF file, a model's name or `toy`; the default model where absent. */
  model?: string | undefined
  /** A smoke run: too short to publish, and says so. */
  quick?: boolean
  seed?: number
  log?: (line: string) => void
}

export interface IsolationResult {
  /** False where percentiles stand on fewer than 100 requests. */
  enough: boolean
  nAlone: number
  nFair: number
  nFcfs: number
  aloneP50Ms: number
  aloneP99Ms: number
  fairP50Ms: number
  fairP99Ms: number
  fcfsP50Ms: number
  fcfsP99Ms: number
  /** True where the percentile of the unfair arm is a lower bound. */
  fcfsP99AtLeast: boolean
  /** Ratios of p99s of the time to first token, with the 95 % interval of the first. */
  fairOverAlone: number
  fairOverAloneLow: number
  fairOverAloneHigh: number
  fcfsOverAlone: number
  /** Ratio of p99s of the whole request. */
  fairE2eOverAlone: number
  /** Mean time between tokens of a request, p95 over the light tenant's requests. */
  aloneTokenGapP95Ms: number
  fairTokenGapP95Ms: number
  floodTokensPerS: number
  floodAloneTokensPerS: number
  /** Service of both beside each other over that of the flood alone, median of the rounds. */
  totalServiceOverFloodAlone: number
  /** The same of every round. */
  serviceRatios: number[]
  cap: number
  seed: number
  rounds: number
}

interface Shape {
  rounds: number
  /** Length of each arm of a round, milliseconds. */
  aloneMs: number
  floodAloneMs: number
  fairMs: number
  fcfsMs: number
}

/** 62 s hold 21 requests of the light tenant, the last with two seconds to end. */
const FULL: Shape = {
  rounds: 5,
  aloneMs: 62_000,
  floodAloneMs: 25_000,
  fairMs: 62_000,
  fcfsMs: 180_000,
}
const QUICK: Shape = {
  rounds: 1,
  aloneMs: 11_000,
  floodAloneMs: 8000,
  fairMs: 11_000,
  fcfsMs: 12_000,
}

const LIGHT_EVERY_MS = 3000
const LIGHT_TOKENS = 8
const FLOOD_IN_FLIGHT = 64
const FLOOD_TOKENS = 64
/** The flood fills engine and queue before anything is measured beside it. */
const FILL_MS = 5000
/** What was cut off leaves the engine before the next arm. */
const SETTLE_MS = 2000
const ENOUGH = 100
/** Weights of the cost unit: uncached prompt tokens and output tokens. */
const INPUT_WEIGHT = 1
const OUTPUT_WEIGHT = 2

export interface Tenants {
  light: Target
  flood: Target
}

/** What ran between two moments. */
export interface Arm {
  light: Call[]
  flood: Call[]
  fromMs: number
  untilMs: number
}

interface Arms {
  alone: Arm[]
  floodAlone: Arm[]
  fair: Arm[]
  fcfs: Arm[]
}

/** Runs all arms; about 17 minutes, or one with `quick`. */
export async function benchIsolation(options: IsolationOptions = {}): Promise<IsolationResult> {
  const { model, quick = false, seed = 1, log = () => undefined } = options
  const shape = quick ? QUICK : FULL
  const arms: Arms = { alone: [], floodAlone: [], fair: [], fcfs: [] }
  const server = await startServer({ model, log })
  try {
    const tenants = await makeTenants(server)
    const cap = await capOf(server)
    await playArm(FILL_MS, seed, { light: tenants.light })
    for (let round = 0; round < shape.rounds; round++) {
      const { light, flood } = tenants
      const own = seed * 1000 + round
      arms.alone.push(await playArm(shape.aloneMs, own, { light }))
      arms.floodAlone.push(await playArm(shape.floodAloneMs, own, { flood }))
      arms.fair.push(await playArm(shape.fairMs, own, { light, flood }))
      log(`round ${round + 1} of ${shape.rounds}: ${inWords(arms)}`)
    }
    await server.end()
    arms.fcfs.push(await fcfsArm(server, tenants, shape.fcfsMs, options))
    log(`first come, first served: ${percentile(ttfts(arms.fcfs), 0.5).toFixed(0)} ms`)
    return { ...resultOf(arms, seed), cap, seed, rounds: shape.rounds }
  } finally {
    await server.stop()
  }
}

/** The same home, engine and cap under the other order. */
async function fcfsArm(
  { home }: Server,
  { light, flood }: Tenants,
  ms: number,
  { model, seed = 1, log = () => undefined }: IsolationOptions,
): Promise<Arm> {
  const environment = { GRISTMILL_SCHEDULER_ORDER: 'fcfs' }
  const server = await startServer({ model, home, environment, log })
  const { url } = server
  try {
    const there = { light: { ...light, url }, flood: { ...flood, url } }
    await playArm(FILL_MS, seed, { light: there.light })
    return await playArm(ms, seed * 1000 + 500, there)
  } finally {
    await server.stop()
  }
}

/** Runs traffic for `ms`; the flood, if there is one, begins earlier. */
export async function playArm(ms: number, seed: number, tenants: Partial<Tenants>): Promise<Arm> {
  const stop = new AbortController()
  const loads: Load[] = []
  const [forLight, forFlood] = [seededRandom(seed), seededRandom(seed + 1_000_000)]
  if (tenants.flood) {
    loads.push(closedLoop(tenants.flood, FLOOD_IN_FLIGHT, FLOOD_TOKENS, forFlood, stop.signal))
    await sleep(FILL_MS)
  }
  const fromMs = performance.now()
  if (tenants.light) {
    loads.push(openLoop(tenants.light, LIGHT_EVERY_MS, LIGHT_TOKENS, forLight, stop.signal))
  }
  // Where a load fails, the arm fails at once and not after its time.
  await Promise.race([sleep(ms), Promise.all(loads.map(({ stopped }) => stopped))])
  const untilMs = performance.now()
  stop.abort()
  await Promise.all(loads.map(({ stopped }) => stopped))
  await sleep(SETTLE_MS)
  const light = tenants.light ? (loads.at(-1)?.calls ?? []) : []
  return { light, flood: tenants.flood ? (loads[0]?.calls ?? []) : [], fromMs, untilMs }
}

async function makeTenants(server: Server): Promise<Tenants> {
  const { url, model } = server
  if (model === null) throw new Error('the server has no model')
  const [light, flood] = [await createTenant(server, 'light'), await createTenant(server, 'flood')]
  return { light: { url, model, key: light.key }, flood: { url, model, key: flood.key } }
}

async function capOf({ admin }: Server): Promise<number> {
  const engines = await admin.all<EngineView>('/api/engines')
  return engines.reduce((sum, { cap }) => sum + cap, 0)
}

/** Times to first token, milliseconds; a request without one counts with the time it waited. */
export function ttfts(arms: Arm[]): number[] {
  return arms.flatMap(({ light, untilMs }) =>
    light.map(({ sentMs, tokenMs }) => (tokenMs[0] ?? untilMs) - sentMs),
  )
}

function endToEnd(arms: Arm[]): number[] {
  return arms.flatMap(({ light, untilMs }) =>
    light.map(({ sentMs, endMs }) => (endMs ?? untilMs) - sentMs),
  )
}

/** Mean time between tokens of each request that has at least two. */
function tokenGaps(arms: Arm[]): number[] {
  return arms.flatMap(({ light }) =>
    light.flatMap(({ tokenMs }) => {
      const [first, last] = [tokenMs[0], tokenMs.at(-1)]
      if (first === undefined || last === undefined || tokenMs.length < 2) return []
      return [(last - first) / (tokenMs.length - 1)]
    }),
  )
}

/**
 * Work done per second between the two moments of an arm. Output counts when it comes, the prompt
 * with the first token; a request that was cut off has the mean prompt of those that were not.
 */
function throughput(
  calls: readonly Call[],
  { fromMs, untilMs }: Arm,
): { unitsPerS: number; tokensPerS: number } {
  const within = (atMs: number | undefined) =>
    atMs !== undefined && atMs >= fromMs && atMs <= untilMs
  const uncached = calls.flatMap(({ usage }) =>
    usage ? [usage.promptTokens - usage.cachedTokens] : [],
  )
  const typical = uncached.length === 0 ? 0 : mean(uncached)
  let [prompts, tokens] = [0, 0]
  for (const { tokenMs, usage } of calls) {
    tokens += tokenMs.filter(within).length
    if (!within(tokenMs[0])) continue
    prompts += usage ? usage.promptTokens - usage.cachedTokens : typical
  }
  const seconds = (untilMs - fromMs) / 1000
  const units = INPUT_WEIGHT * prompts + OUTPUT_WEIGHT * tokens
  return { unitsPerS: units / seconds, tokensPerS: tokens / seconds }
}

function resultOf(arms: Arms, seed: number): Omit<IsolationResult, 'cap' | 'seed' | 'rounds'> {
  const alone = ttfts(arms.alone)
  const fair = ttfts(arms.fair)
  const fcfs = ttfts(arms.fcfs)
  const aloneP99Ms = percentile(alone, 0.99)
  const { low, high } = ratioInterval(fair, alone, 0.99, seededRandom(seed))
  const floods = arms.floodAlone.map((arm) => throughput(arm.flood, arm))
  const serviceRatios = arms.fair.map((arm, round) => {
    const both = throughput([...arm.flood, ...arm.light], arm)
    return both.unitsPerS / (floods[round]?.unitsPerS ?? Number.NaN)
  })
  return {
    enough: Math.min(alone.length, fair.length) >= ENOUGH,
    nAlone: alone.length,
    nFair: fair.length,
    nFcfs: fcfs.length,
    aloneP50Ms: percentile(alone, 0.5),
    aloneP99Ms,
    fairP50Ms: percentile(fair, 0.5),
    fairP99Ms: percentile(fair, 0.99),
    fcfsP50Ms: percentile(fcfs, 0.5),
    fcfsP99Ms: percentile(fcfs, 0.99),
    fcfsP99AtLeast: arms.fcfs.some(({ light }) => light.some(({ tokenMs }) => !tokenMs.length)),
    fairOverAlone: percentile(fair, 0.99) / aloneP99Ms,
    fairOverAloneLow: low,
    fairOverAloneHigh: high,
    fcfsOverAlone: percentile(fcfs, 0.99) / aloneP99Ms,
    fairE2eOverAlone:
      percentile(endToEnd(arms.fair), 0.99) / percentile(endToEnd(arms.alone), 0.99),
    aloneTokenGapP95Ms: percentile(tokenGaps(arms.alone), 0.95),
    fairTokenGapP95Ms: percentile(tokenGaps(arms.fair), 0.95),
    floodTokensPerS: mean(arms.fair.map((arm) => throughput(arm.flood, arm).tokensPerS)),
    floodAloneTokensPerS: mean(floods.map(({ tokensPerS }) => tokensPerS)),
    totalServiceOverFloodAlone: median(serviceRatios),
    serviceRatios,
  }
}

function inWords({ alone, fair }: Arms): string {
  const p99 = (arms: Arm[]) => `${percentile(ttfts(arms), 0.99).toFixed(0)} ms`
  const queueMs = fair.flatMap(({ light }) => light.map((call) => call.queueMs ?? 0))
  const queued = `at most ${Math.max(...queueMs).toFixed(0)} ms of it in the queue`
  return `first token p99 alone ${p99(alone)}, beside the flood ${p99(fair)}, ${queued}`
}
