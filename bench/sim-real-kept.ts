/** What `bench sim-real` leaves of a run, so that either side of it can be looked at afterwards. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createLogger, systemClock } from '../src/base/index.ts'
import { type CalibrationRow, readCalibrations } from '../src/engine/index.ts'
import type { EngineProfileView, EngineView } from '../src/http/index.ts'
import { measuredProfile, parseProfile, traceHeader, traceLine } from '../src/pool/index.ts'
import { openDatabase } from '../src/store/index.ts'
import { sleep } from './chat-load.ts'
import type { Server } from './server.ts'
import { type RealRun, sidesOf, traceOf } from './sim-real-sides.ts'

/** All that was measured of a real server. */
export interface KeptRun extends RealRun {
  /** First tokens on an idle server. */
  alone: object
  calibrations: readonly CalibrationRow[]
  samples: readonly EngineSample[]
}

/** The embedded engine at one moment of the trace. */
interface EngineSample {
  /** Milliseconds since it began. */
  atMs: number
  /** Its metrics but for the buckets of histograms, by name and labels. */
  metrics: Record<string, number>
}

/**
 * Leaves files: `gristmill plan` can be asked about trace and profile, the rest is for people.
 */
export function keepRun(folder: string, run: KeptRun, profile: EngineProfileView): void {
  const rows = traceOf(run.played)
  writeFileSync(join(folder, 'trace.csv'), [traceHeader, ...rows.map(traceLine), ''].join('\n'))
  writeFileSync(join(folder, 'engine.json'), JSON.stringify(profile, null, 2))
  // Targets have keys.
  const text = JSON.stringify(run, (name, value) => (name === 'target' ? undefined : value))
  writeFileSync(join(folder, 'real.json'), text)
}

/** Both sides of a run that was kept, the simulated one by the profile that is made of it now. */
export function replay(folder: string): object {
  const read = (file: string) => JSON.parse(readFileSync(join(folder, file), 'utf8'))
  const run = read('real.json') as KeptRun
  const then = parseProfile(read('engine.json'))
  const [calibration] = run.calibrations
  if (calibration === undefined) throw new Error('the run was kept without its calibration')
  const measuredAt = new Date(calibration.measuredAt).toISOString()
  const profile = measuredProfile(then.name, measuredAt, calibration.result, {
    ...then,
    kind: 'gristmill',
    yieldsBySteps: true,
    takesCacheSalt: true,
    models: [{ name: 'model', contextTokens: then.contextTokens, toy: false }],
  })
  return { ...sidesOf(run, profile), requests: run.played.length, profile, seed: run.seed }
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
    const lines = text.matchAll(/^gristmill:(?!\w+_bucket)(\S+) (\S+)$/gm)
    const metrics = Object.fromEntries([...lines].map(([, name, value]) => [name, Number(value)]))
    samples.push({ atMs: performance.now() - fromMs, metrics })
    await sleep(SAMPLE_EVERY_MS, signal)
  }
  return samples
}
