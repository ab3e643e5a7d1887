/** What an engine of a profile can do with a mix of lengths: a saturated closed loop, simulated. */
import { promisedTokenGapMs } from '../base/index.ts'
import { Scheduler } from './scheduler.ts'
import { type CostWeights, defaultSchedulerConfig } from './scheduler-types.ts'
import type { Lengths } from './sim-batch.ts'
import { costOfProfile, type EngineProfile } from './sim-profile.ts'
import type { SimPromise } from './sim-recorder.ts'
import type { SimFeed, SimRequest } from './sim-types.ts'
import { Simulation } from './simulator.ts'

export interface SimCapacity {
  /** Highest service per second of the whole sweep. */
  unitsPerS: number
  /** The profile with its cap at the knee: fewest streams with nearly all of that. */
  profile: EngineProfile
  /** p95 of the mean time between tokens at the knee. */
  tokenGapP95Ms: number
}

/** Share of the capacity that the knee must reach. */
const KNEE_SHARE = 0.95

/** The pace that interactive requests are promised, by what the engine does at its knee. */
export function promiseOf(ttftMs: number, { tokenGapP95Ms }: SimCapacity): SimPromise {
  return { ttftMs, tokenGapMs: promisedTokenGapMs(tokenGapP95Ms) }
}

/** Time until the loop is in its stride, and time that is measured, milliseconds. */
const WARM_MS = 60_000
const MEASURED_MS = 240_000

/** Always so many requests in flight. */
class ClosedLoop implements SimFeed {
  readonly #mix: readonly Lengths[]
  readonly #streams: number
  #open = 0
  #next = 0

  constructor(mix: readonly Lengths[], streams: number) {
    this.#mix = mix
    this.#streams = streams
  }

  draw(nowMs: number): SimRequest[] {
    const drawn: SimRequest[] = []
    for (; this.#open < this.#streams; this.#open++) {
      const lengths = this.#mix[this.#next++ % this.#mix.length]
      if (lengths === undefined) throw new Error('a closed loop needs lengths')
      const { inputTokens, outputTokens } = lengths
      const request = { inputTokens, outputTokens, prefix: [], serviceClass: 'standard' as const }
      drawn.push({ ...request, atMs: nowMs, tenant: 'loop' })
    }
    return drawn
  }

  ended(): void {
    this.#open--
  }
}

/**
 * Sweeps concurrencies up to the cap of the profile, in powers of two.
 * @param cost weights of the unit; what the profile's own times give where absent
 */
export function capacityOf(
  profile: EngineProfile,
  mix: readonly Lengths[],
  cost: CostWeights = costOfProfile(profile),
): SimCapacity {
  const sweep: number[] = []
  for (let streams = 1; streams < profile.cap; streams *= 2) sweep.push(streams)
  sweep.push(profile.cap)
  const measured = sweep.map((streams) => saturate(profile, mix, cost, streams))
  const unitsPerS = Math.max(...measured.map((one) => one.unitsPerS))
  const knee = measured.find((one) => one.unitsPerS >= KNEE_SHARE * unitsPerS)
  if (knee === undefined) throw new Error('a sweep has a highest point')
  const cap = knee.streams
  return {
    unitsPerS,
    profile: {
      ...profile,
      cap,
      express: Math.max(1, Math.floor(cap / 8)),
      spare: Math.min(profile.spare, cap),
    },
    tokenGapP95Ms: knee.tokenGapP95Ms,
  }
}

function saturate(
  profile: EngineProfile,
  mix: readonly Lengths[],
  cost: CostWeights,
  streams: number,
) {
  let units = 0
  const gapsMs: number[] = []
  const count = (nowMs: number, more: number) => {
    if (nowMs >= WARM_MS) units += more
  }
  new Simulation({
    engines: [{ id: 'engine', profile: { ...profile, cap: streams, express: 0 } }],
    requests: [],
    feeds: [new ClosedLoop(mix, streams)],
    scheduler: new Scheduler({ ...defaultSchedulerConfig, cost, order: 'fcfs' }),
    observers: [
      {
        promptRead: (ticket, nowMs) => count(nowMs, cost.input * ticket.uncachedTokens),
        progressed: (_, tokens, nowMs) => count(nowMs, cost.output * tokens),
        ended: ({ firstTokenMs, lastStepMs, generated }) => {
          if (generated < 2 || firstTokenMs === undefined) return
          gapsMs.push((lastStepMs - firstTokenMs) / (generated - 1))
        },
      },
    ],
    untilMs: WARM_MS + MEASURED_MS,
  }).run()
  gapsMs.sort((a, b) => a - b)
  return {
    streams,
    unitsPerS: units / (MEASURED_MS / 1000),
    tokenGapP95Ms: gapsMs[Math.ceil(gapsMs.length * 0.95) - 1] ?? 0,
  }
}
