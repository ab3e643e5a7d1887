/** What `bench sim-real` leaves of a run, so that either side of it can be looked at afterwards. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createLogger, systemClock } from '../src/base/index.ts'
import { type CalibrationRow, readCalibrations } from '../src/engine/index.ts'
import type { EngineProfileView, EngineView } from '../src/http/index.ts'
import { type TraceRow, traceHeader, traceLine } from '../src/pool/index.ts'
import { openDatabase } from '../src/store/index.ts'
import { sleep } from './chat-load.ts'
import type { Server } from './server.ts'

/** The embedded engine at one moment of the trace. */
export interface EngineSample {
  /** Milliseconds since it began. */
  atMs: number
  running: number
  waiting: number
  /** Steps of its batch so far, and their time. */
  steps: number
  stepSeconds: number
}

/**
 * Leaves files: `gristmill plan` can be asked about trace and profile, the rest is for people.
 * @param real all that was measured, with times since the trace began
 */
export function keepRun(
  folder: string,
  rows: readonly TraceRow[],
  profile: EngineProfileView,
  real: object,
): void {
  writeFileSync(join(folder, 'trace.csv'), [traceHeader, ...rows.map(traceLine), ''].join('\n'))
  writeFileSync(join(folder, 'engine.json'), JSON.stringify(profile, null, 2))
  // Targets have keys.
  const text = JSON.stringify(real, (name, value) => (name === 'target' ? undefined : value))
  writeFileSync(join(folder, 'real.json'), text)
}

/** The newest calibrations with their points, which no view tells. */
export async function calibrationsOf({ home }: Server): Promise<CalibrationRow[]> {
  const file = readFileSync(join(home, 'server.json'), 'utf8')
  const { databaseUrl: url } = JSON.parse(file) as { databaseUrl: string }
  const logger = createLogger('warn', 'sim-real')
  const database = await openDatabase({ url, clock: systemClock, logger, connections: 1 })
  try {
    return await readCalibrations(database.sql)
  } finally {
    await database.close()
  }
}

const SAMPLE_EVERY_MS = 1000

/** Reads every second what the engine does, until the signal; times since now. */
export async function watchEngine(
  { admin }: Pick<Server, 'admin'>,
  signal: AbortSignal,
): Promise<EngineSample[]> {
  const fromMs = performance.now()
  const [engine] = await admin.all<EngineView>('/api/engines')
  const samples: EngineSample[] = []
  while (engine !== undefined && !signal.aborted) {
    const text = await (await fetch(`${engine.url}/metrics`)).text()
    const value = (name: string) =>
      Number(new RegExp(`^gristmill:${name} (\\S+)$`, 'm').exec(text)?.[1] ?? 0)
    samples.push({
      atMs: performance.now() - fromMs,
      running: value('num_requests_running'),
      waiting: value('num_requests_waiting'),
      steps: value('step_seconds_count'),
      stepSeconds: value('step_seconds_sum'),
    })
    await sleep(SAMPLE_EVERY_MS, signal)
  }
  return samples
}
