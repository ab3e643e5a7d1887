/** A thread that plays days of one source, one after another, and tells each. */
import { parentPort, workerData } from 'node:worker_threads'
import {
  type Arm,
  type DayPlan,
  type PlayedDay,
  playOff,
  playOn,
  playPlacebo,
} from './sim-day-play.ts'
import { daySources } from './sim-day-sources.ts'

/** What the thread is begun with. */
export interface DaysTask {
  traces: string | undefined
  /** Name of the source. */
  name: string
  plan: DayPlan
  seeds: readonly number[]
}

export type DayMessage = PlayedDay & { seed: number; placebo: Arm }

const { traces, name, plan, seeds } = workerData as DaysTask
for (const seed of seeds) {
  const [source] = daySources(traces, seed, name)
  if (source === undefined) throw new Error(`there is no day of ${name}`)
  const { rows } = source
  const off = playOff(plan, rows)
  const day: DayMessage = {
    seed,
    ...playOn(plan, rows, off),
    placebo: playPlacebo(plan, rows, seed),
  }
  parentPort?.postMessage(day)
}
