/**
 * `bench sim-real`: the simulator against the engine that it claims to be. A real server is
 * calibrated, plays a trace of some minutes in open loop, and the simulator plays the same trace
 * with the profile that `gristmill engine profile` gives.
 */
import { mkdirSync } from 'node:fs'
import { type Random, type ServiceClass, seededRandom } from '../src/base/index.ts'
import type { CalibrationView, EngineProfileView, EngineView } from '../src/http/index.ts'
import type { Lengths } from '../src/pool/index.ts'
import { ask, newCall, newDispatcher, sleep, type Target } from './chat-load.ts'
import { percentile } from './quantiles.ts'
import { createTenant, type Server, startServer } from './server.ts'
import { calibrationsOf, keepRun, watchEngine } from './sim-real-kept.ts'
import {
  BATCH_TENANTS,
  COST,
  lengthsOf,
  type Played,
  round,
  sidesOf,
  ttftMs,
  WEIGHTS,
} from './sim-real-sides.ts'
import { isFailed, tokenGapMs, unitsWithin } from './utilisation-figures.ts'
import { saturate } from './utilisation-load.ts'
import { drawArrivals, drawAsk } from './utilisation-plan.ts'

export interface SimRealOptions {
  /** Path of a GGUF file or a model's name. */
  model: string
  /** Length of the trace. */
  seconds?: number
  /** Length of each measurement of the capacity, seconds. */
  calibration?: number
  seed?: number
  /** Where trace, profile and all that was measured are kept; else they are not. */
  keep?: string | undefined
  log(line: string): void
}

/** Batch work that is due, as a part of capacity; interactive work asks for about a half. */
const BATCH_SHARE = 0.45
/** Requests of each length, one after another on an idle server; a long one asks so many times. */
const ALONE = 12
const LONG_ASKS = 4

interface Due {
  target: Target
  tenant: string
  serviceClass: ServiceClass
  dueMs: number
  content: string
  maxTokens: number
}

/** @returns both sides, their differences, and which of them are more than allowed */
export async function benchSimReal(options: SimRealOptions): Promise<object> {
  const { model, seconds = 300, calibration = 60, seed = 1, log } = options
  // Now, so that a folder that cannot be made costs no run.
  if (options.keep !== undefined) mkdirSync(options.keep, { recursive: true })
  const server = await startServer({ model, log })
  try {
    const profile = await calibrated(server, log)
    const calibrations = await calibrationsOf(server)
    const capacityOfNow = () =>
      watched(server, () => measureCapacity(server, profile.cap, calibration, seed))
    const before = await capacityOfNow()
    const alone = await askAlone(server, seed)
    const outsideMs = round(interceptMs(alone.short, alone.long))
    const due = await drawTrace(server, before, profile.cap, seconds, seed)
    log(`${due.length} requests in ${seconds} s, capacity ${before.capacityUnitsPerS.toFixed(0)}`)
    const { played, samples } = await watched(server, async () => ({
      played: await play(due, seconds),
    }))
    const after = await capacityOfNow()
    const run = { seconds, seed, outsideMs, before, after, played }
    const kept = { ...run, alone, calibrations, samples }
    if (options.keep !== undefined) keepRun(options.keep, kept, profile)
    return {
      ...sidesOf(run, profile),
      requests: played.length,
      profile,
      seconds,
      model: server.model,
      seed,
      rounds: 1,
    }
  } finally {
    await server.stop()
  }
}

/** What `work` tells, and what the engine did meanwhile. */
async function watched<T extends object>(server: Server, work: () => Promise<T>) {
  const over = new AbortController()
  const [told, samples] = await Promise.all([
    work().finally(() => over.abort()),
    watchEngine(server, over.signal),
  ])
  return { ...told, samples }
}

async function calibrated(
  { admin }: Server,
  log: (line: string) => void,
): Promise<EngineProfileView> {
  const [engine] = await admin.all<EngineView>('/api/engines')
  if (engine === undefined) throw new Error('the server has no engine')
  const path = `/api/engines/${engine.id}`
  let view = await admin.post<CalibrationView>(`${path}/calibrate`)
  while (view.state === 'running') {
    await sleep(1000)
    view = await admin.get<CalibrationView>(`${path}/calibration`)
  }
  if (view.failure !== null) throw new Error(`the calibration failed: ${view.failure}`)
  const profile = await admin.get<EngineProfileView>(`${path}/profile`)
  const steps = profile.decode.map(({ streams, stepMs }) => `${streams}: ${stepMs.toFixed(1)}`)
  log(
    `reads ${profile.readTokensPerS.toFixed(0)} tokens/s; ms a step by streams ${steps.join(', ')}`,
  )
  return profile
}

async function targetOf(
  server: Server,
  name: string,
  weight: number,
  fields: object = {},
): Promise<Target> {
  const { url, model } = server
  if (model === null) throw new Error('the server has no model')
  const { key } = await createTenant(server, name, weight)
  return { url, model, key, fields: { ignore_eos: true, ...fields } }
}

/**
 * A saturated closed loop of the lengths of the trace, at the cap and at twice as many, of as many
 * tenants: one alone would find the beginnings of nearly all its prompts read.
 */
async function measureCapacity(server: Server, cap: number, seconds: number, seed: number) {
  const names = Array.from({ length: WEIGHTS.length + BATCH_TENANTS }, (_, i) => `capacity-${i}`)
  const now = performance.now()
  const targets = await Promise.all(names.map((name) => targetOf(server, `${name}-${now}`, 1)))
  const points = []
  const lengths: Lengths[] = []
  const arms = []
  for (const inFlight of [cap, 2 * cap]) {
    const arm = await saturate(targets, inFlight, (seconds * 1000) / 2, seededRandom(seed))
    arms.push({ ...arm, inFlight })
    const ended = arm.interactive.filter((call) => !isFailed(call))
    lengths.push(...ended.flatMap(lengthsOf))
    const whole = { fromMs: Number.NEGATIVE_INFINITY, untilMs: Number.POSITIVE_INFINITY }
    points.push({
      capacityUnitsPerS: (1000 * unitsWithin(ended, arm, COST)) / (arm.untilMs - arm.fromMs),
      unitsPerRequest: unitsWithin(ended, whole, COST) / Math.max(1, ended.length),
      firstTokenMs: percentile(ended.map(ttftMs), 0.5),
      tokenGapMs: percentile(
        ended.flatMap((call) => tokenGapMs(call) ?? []),
        0.95,
      ),
    })
  }
  const [atCap] = points
  if (atCap === undefined) throw new Error('there is a point at the cap')
  return {
    ...atCap,
    arms,
    lengths,
    capacityUnitsPerS: Math.max(...points.map((point) => point.capacityUnitsPerS)),
  }
}

/** First tokens on an idle server of prompts of two lengths. */
async function askAlone(server: Server, seed: number): Promise<{ short: Seen; long: Seen }> {
  const target = await targetOf(server, 'alone', 1)
  const random = seededRandom(seed)
  const dispatcher = newDispatcher()
  const seen = { short: newSeen(), long: newSeen() }
  for (let i = 0; i < ALONE; i++) {
    for (const [length, asks] of [
      ['short', 1],
      ['long', LONG_ASKS],
    ] as const) {
      const content = Array.from({ length: asks }, () => drawAsk(random).content).join(' ')
      const call = newCall()
      await ask(target, { content, maxTokens: 2 }, call, dispatcher, never)
      const { promptTokens = 0, cachedTokens = 0 } = call.usage ?? {}
      seen[length].tokens.push(promptTokens - cachedTokens)
      seen[length].ttftMs.push(ttftMs(call))
    }
  }
  await dispatcher.destroy()
  return seen
}

interface Seen {
  tokens: number[]
  ttftMs: number[]
}

const newSeen = (): Seen => ({ tokens: [], ttftMs: [] })

/**
 * What a first token takes whatever its prompt: gateway, network, text. It is the time of no tokens
 * on the line through the medians of short and of long prompts, at least 0: the calibrated rate of
 * reading is one of a busy engine, and its error would be taken for time outside.
 */
export function interceptMs(short: Seen, long: Seen): number {
  const middle = ({ tokens, ttftMs }: Seen) => [percentile(tokens, 0.5), percentile(ttftMs, 0.5)]
  const [[lowTokens = 0, lowMs = 0], [highTokens = 0, highMs = 0]] = [middle(short), middle(long)]
  if (highTokens <= lowTokens) throw new Error('a long prompt has more tokens than a short one')
  const msPerToken = (highMs - lowMs) / (highTokens - lowTokens)
  return Math.max(0, lowMs - lowTokens * msPerToken)
}

const never = new AbortController().signal

/** Bursts of three tenants for half of the capacity, and batch work for nearly all of the rest. */
async function drawTrace(
  server: Server,
  measured: Awaited<ReturnType<typeof measureCapacity>>,
  cap: number,
  seconds: number,
  seed: number,
): Promise<Due[]> {
  const random = seededRandom(seed)
  const people = await Promise.all(
    WEIGHTS.map((weight) => targetOf(server, `people-${weight}`, weight)),
  )
  const arrivals = drawArrivals(WEIGHTS, { ...measured, knee: cap }, seconds * 1000, random)
  const interactive = arrivals.map(({ tenant, ...due }) => {
    const target = people[tenant]
    if (target === undefined) throw new Error('an arrival has a tenant')
    return { ...due, target, tenant: `people-${tenant}`, serviceClass: 'standard' as const }
  })
  const nights = await Promise.all(
    Array.from({ length: BATCH_TENANTS }, (_, i) =>
      targetOf(server, `night-${i}`, 1 + i, { service_tier: 'batch' }),
    ),
  )
  const everyMs = (1000 * measured.unitsPerRequest) / (BATCH_SHARE * measured.capacityUnitsPerS)
  const batch = nights.flatMap((target, i) =>
    arrivalsOf(everyMs * BATCH_TENANTS, seconds * 1000, random).map((dueMs) => ({
      ...drawAsk(random),
      dueMs,
      target,
      tenant: `night-${i}`,
      serviceClass: 'batch' as const,
    })),
  )
  return [...interactive, ...batch].sort((a, b) => a.dueMs - b.dueMs)
}

function arrivalsOf(meanGapMs: number, durationMs: number, random: Random): number[] {
  const arrivals: number[] = []
  for (let atMs = 0; ; ) {
    atMs += -Math.log(1 - random.next()) * meanGapMs
    if (atMs >= durationMs) return arrivals
    arrivals.push(atMs)
  }
}

async function play(due: readonly Due[], seconds: number): Promise<(Due & Played)[]> {
  const dispatcher = newDispatcher()
  const fromMs = performance.now()
  const running: Promise<void>[] = []
  const played: (Due & Played)[] = []
  for (const one of due) {
    await sleep(fromMs + one.dueMs - performance.now())
    const call = newCall()
    played.push({ ...one, call })
    const { content, maxTokens } = one
    running.push(
      ask(one.target, { content, maxTokens }, call, dispatcher, never).catch((error: Error) => {
        call.refused ??= 0
        console.error(`a request failed: ${error.message}`)
      }),
    )
  }
  await sleep(fromMs + seconds * 1000 - performance.now())
  await Promise.all(running)
  await dispatcher.destroy()
  // From here on times are those since the trace began.
  for (const { call } of played) {
    call.sentMs -= fromMs
    call.tokenMs = call.tokenMs.map((atMs) => atMs - fromMs)
    if (call.endMs !== null) call.endMs -= fromMs
  }
  return played
}
