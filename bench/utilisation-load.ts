/** Plays the work of `bench utilisation` against a server and keeps what each request met with. */
import type { Agent } from 'undici'
import type { Random } from '../src/base/index.ts'
import { ask, type Call, newCall, newDispatcher, sleep, type Target } from './chat-load.ts'
import { type Due, drawAsk } from './utilisation-plan.ts'

/** A request of some tenant, by its place in the list of its kind. */
export interface TenantCall extends Call {
  tenant: number
}

/** What ran between two moments; nothing of it was cut off. */
export interface Arm {
  interactive: TenantCall[]
  batch: TenantCall[]
  fromMs: number
  untilMs: number
  /** Part of the cap that was in flight, every half second. */
  occupancy: number[]
}

/** Requests beside those that an engine runs, so that each batch tenant always has some waiting. */
const BACKLOG = 4
/** Batch work fills the engine before anything is measured beside it. */
const FILL_MS = 4000
const SAMPLE_EVERY_MS = 500

export interface ArmPlan {
  interactive: readonly Target[]
  arrivals: readonly Due[]
  /** Tenants that always have batch work waiting; none in the arm without it. */
  batch: readonly Target[]
  /** Requests that the engine runs at once. */
  cap: number
  durationMs: number
  random: Random
}

export async function playArm(plan: ArmPlan): Promise<Arm> {
  const dispatcher = newDispatcher()
  const over = new AbortController()
  const batch: TenantCall[] = []
  const each = plan.batch.map(() => plan.cap + BACKLOG)
  const loops = keepBusy(plan.batch, each, plan.random, batch, dispatcher, over.signal)
  await sleep(FILL_MS)
  const interactive: TenantCall[] = []
  const sampling = sampleOccupancy(plan.interactive[0]?.url ?? '', over.signal)
  const fromMs = performance.now()
  const running: Promise<void>[] = []
  for (const { tenant, dueMs, content, maxTokens } of plan.arrivals) {
    await sleep(fromMs + dueMs - performance.now())
    const call = { ...newCall(), tenant }
    interactive.push(call)
    const target = plan.interactive[tenant] as Target
    running.push(send(target, { content, maxTokens }, call, dispatcher))
  }
  await sleep(fromMs + plan.durationMs - performance.now())
  const untilMs = performance.now()
  over.abort()
  // What runs may end, so that neither arm owes anything to work that was thrown away.
  await Promise.all([...running, loops])
  await dispatcher.destroy()
  return { interactive, batch, fromMs, untilMs, occupancy: await sampling }
}

/**
 * Closed loop of some tenants for `durationMs`, with as many requests each; resolves to their
 * requests and when it measured.
 */
export async function saturate(
  targets: readonly Target[],
  inFlight: number,
  durationMs: number,
  random: Random,
): Promise<Arm> {
  const dispatcher = newDispatcher()
  const over = new AbortController()
  const calls: TenantCall[] = []
  const each = targets.map((_, tenant) => Math.floor((inFlight + tenant) / targets.length))
  const loops = keepBusy(targets, each, random, calls, dispatcher, over.signal)
  // The first requests begin together and end together; later ones are spread.
  await sleep(Math.min(FILL_MS, durationMs / 4))
  const fromMs = performance.now()
  await sleep((durationMs * 3) / 4)
  const untilMs = performance.now()
  over.abort()
  await loops
  await dispatcher.destroy()
  return { interactive: calls, batch: [], fromMs, untilMs, occupancy: [] }
}

/**
 * Keeps so many requests of each tenant running. They begin in turns: were all places given to the
 * tenant that comes first, the others would be served what it had too much while it is measured.
 */
async function keepBusy(
  targets: readonly Target[],
  each: readonly number[],
  random: Random,
  calls: TenantCall[],
  dispatcher: Agent,
  over: AbortSignal,
): Promise<void> {
  const worker = async (tenant: number) => {
    while (!over.aborted) {
      const call = { ...newCall(), tenant }
      calls.push(call)
      await send(targets[tenant] as Target, drawAsk(random), call, dispatcher)
    }
  }
  const turns = Array.from({ length: Math.max(0, ...each) }, (_, turn) => turn)
  const order = turns.flatMap((turn) => each.flatMap((count, i) => (turn < count ? [i] : [])))
  await Promise.all(order.map(worker))
}

const never = new AbortController().signal

/** A failure is kept with the call: it counts as a request that never had its first token. */
async function send(
  target: Target,
  body: { content: string; maxTokens: number },
  call: Call,
  dispatcher: Agent,
): Promise<void> {
  try {
    await ask(target, body, call, dispatcher, never)
  } catch (error) {
    call.refused ??= 0
    console.error(`a request failed: ${error instanceof Error ? error.message : String(error)}`)
  }
}

async function sampleOccupancy(url: string, signal: AbortSignal): Promise<number[]> {
  const samples: number[] = []
  while (!signal.aborted) {
    const text = await (await fetch(`${url}/metrics`)).text()
    const sum = (kind: string) =>
      [...text.matchAll(new RegExp(`^gristmill_engine_slots{.*kind="${kind}".*} (\\S+)$`, 'gm'))]
        .map(([, value]) => Number(value))
        .reduce((total, value) => total + value, 0)
    const cap = sum('cap')
    if (cap > 0) samples.push(Math.min(1, sum('in_flight') / cap))
    await sleep(SAMPLE_EVERY_MS, signal)
  }
  return samples
}
