/**
 * Workloads that try fairness: the ten of the VTC paper (Sheng et al., arXiv 2401.00588, section 5
 * and its artifact's exp_suite.py: rates, lengths, phases), and further ones that it has not.
 */
import { type Random, seededRandom } from '../src/base/index.ts'
import { builtInProfiles, type EngineProfile, type SimRequest } from '../src/pool/index.ts'

export interface Suite {
  name: string
  tenants: { name: string; weight: number; models?: string }[]
  engines: { id: string; profile: EngineProfile; models?: string[] }[]
  /** The tenant that asks for less than its share, where there is one. */
  light: string | undefined
  /** Largest prompt and largest prompt with answer that this configuration admits. */
  inputTokensMax: number
  contextTokens: number
  durationMs: number
  requests: SimRequest[]
}

interface Stream {
  tenant: string
  /** Requests per second by time. */
  rate: number | ((atMs: number) => number)
  input?: number
  output?: number
  change?: (request: SimRequest, random: Random) => SimRequest
}

const MINUTE_MS = 60_000
export const SUITE_MS = 10 * MINUTE_MS

export const profileOf = (name: string): EngineProfile => {
  const found = builtInProfiles.find((profile) => profile.name === name)
  if (found === undefined) throw new Error(`there is no profile ${name}`)
  return found
}

/** Poisson arrivals of a varying rate, by thinning (Lewis and Shedler, 1979). */
export function requestsOf(stream: Stream, durationMs: number, random: Random): SimRequest[] {
  const { tenant, input = 256, output = 256, change = (one) => one } = stream
  const rate = typeof stream.rate === 'number' ? () => stream.rate as number : stream.rate
  const peaks = Array.from({ length: 600 }, (_, i) => rate((i * durationMs) / 600))
  const peak = Math.max(...peaks, 1e-9)
  const requests: SimRequest[] = []
  for (let atMs = 0; ; ) {
    atMs -= (1000 * Math.log(1 - random.next())) / peak
    if (atMs >= durationMs) return requests
    if (random.next() * peak > rate(atMs)) continue
    const lengths = { inputTokens: input, outputTokens: output }
    const request = { atMs, tenant, serviceClass: 'standard' as const, ...lengths, prefix: [] }
    requests.push(change(request, random))
  }
}

export interface Plan {
  name: string
  streams: Stream[]
  weights?: number[]
  light?: string
  models?: Record<string, string>
  engines?: Suite['engines']
}

/** A suite with its arrivals drawn. */
export function suiteOf(plan: Plan, seed: number): Suite {
  const random = seededRandom(seed)
  const requests = plan.streams
    .flatMap((stream) => requestsOf(stream, SUITE_MS, random))
    .sort((a, b) => a.atMs - b.atMs)
  const names = [...new Set(plan.streams.map(({ tenant }) => tenant))]
  const engines = plan.engines ?? [{ id: 'engine', profile: profileOf('a10g-7b') }]
  const most = (of: (stream: Stream) => number) => Math.max(...plan.streams.map(of))
  return {
    name: plan.name,
    engines,
    light: plan.light,
    tenants: names.map((name, i) => ({
      name,
      weight: plan.weights?.[i] ?? 1,
      ...(plan.models?.[name] !== undefined && { models: plan.models[name] }),
    })),
    inputTokensMax: most(({ input = 256 }) => input),
    contextTokens: most(({ input = 256, output = 256 }) => input + output),
    durationMs: SUITE_MS,
    requests,
  }
}

const isOn = (atMs: number) => Math.floor(atMs / MINUTE_MS) % 2 === 0

/** Clients at constant rates, named a, b, c, … */
const constant = (...rates: number[]): Stream[] =>
  rates.map((rate, i) => ({ tenant: String.fromCharCode(97 + i), rate }))

const vtcPlans: Plan[] = [
  { name: 'overload', streams: constant(1.5, 3) },
  {
    name: 'overload-multi',
    streams: constant(0.4, 0.4, 0.4, 0.6, 0.6, 0.6, 0.6, 0.6),
  },
  {
    name: 'overload-weighted',
    streams: constant(0.8, 0.8, 1.2, 1.6),
    weights: [1, 2, 3, 4],
  },
  { name: 'proportional', streams: constant(0.25, 0.5, 1.5), light: 'a' },
  {
    name: 'on-off-less',
    streams: [
      { tenant: 'a', rate: (atMs) => (isOn(atMs) ? 0.5 : 0) },
      { tenant: 'b', rate: 2 },
    ],
    light: 'a',
  },
  {
    name: 'on-off-overload',
    streams: [
      { tenant: 'a', rate: (atMs) => (isOn(atMs) ? 2 : 0) },
      { tenant: 'b', rate: 3 },
    ],
  },
  {
    name: 'poisson-short-long',
    streams: [
      { tenant: 'a', rate: 8, input: 64, output: 64 },
      { tenant: 'b', rate: 1.5 },
    ],
  },
  {
    name: 'poisson-short-long-2',
    streams: [
      { tenant: 'a', rate: 8, input: 512, output: 32 },
      { tenant: 'b', rate: 1.5, input: 32, output: 512 },
    ],
  },
  {
    name: 'increase',
    streams: [
      { tenant: 'a', rate: 0.5 },
      { tenant: 'b', rate: (atMs) => 0.2 + (1.8 * atMs) / SUITE_MS },
    ],
    light: 'a',
  },
  {
    name: 'dist-shift',
    streams: [
      { tenant: 'a', rate: (atMs) => (phase(atMs) === 0 ? 0.5 : phase(atMs) === 1 ? 3 : 1.5) },
      { tenant: 'b', rate: (atMs) => (phase(atMs) === 0 ? 3 : phase(atMs) === 1 ? 0.5 : 1.5) },
    ],
  },
]

const phase = (atMs: number) => Math.min(2, Math.floor((3 * atMs) / SUITE_MS))

const guessedWrong = (request: SimRequest, random: Random): SimRequest => ({
  ...request,
  estimatedInputTokens: Math.round(request.inputTokens * (0.5 + random.next())),
})

const impatient = (request: SimRequest, random: Random): SimRequest =>
  random.next() < 0.7 ? { ...request, abortAfterMs: 15_000 * random.next() } : request

const oneOfThousand = (request: SimRequest, random: Random): SimRequest => ({
  ...request,
  keyId: `key-${Math.floor(1000 * random.next())}`,
})

const longContext: EngineProfile = {
  ...profileOf('h100-8b'),
  cap: 8,
  express: 1,
  kvTokens: 1_200_000,
}

const furtherPlans: Plan[] = [
  {
    name: 'long-inputs',
    streams: [
      { tenant: 'a', rate: 1, input: 100_000, output: 200 },
      { tenant: 'b', rate: 30, input: 1000, output: 200 },
    ],
    engines: [{ id: 'engine', profile: longContext }],
  },
  {
    name: 'wrong-estimates',
    streams: constant(1.5, 3).map((stream) => ({ ...stream, change: guessedWrong })),
  },
  {
    name: 'abort-storm',
    streams: [
      { tenant: 'a', rate: 6, change: impatient },
      { tenant: 'b', rate: 2 },
    ],
  },
  {
    name: 'thousand-keys',
    streams: [
      { tenant: 'a', rate: 3, change: oneOfThousand },
      { tenant: 'b', rate: 3 },
    ],
  },
]

/** All suites whose fairness is judged by the gap. */
export function fairnessSuites(seed: number): Suite[] {
  return [...vtcPlans, ...furtherPlans].map((plan, i) => suiteOf(plan, seed + i))
}
