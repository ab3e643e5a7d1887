/**
 * Finds out what a machine does with a model: threads, tokens per second by number of streams, the
 * knee up to which more streams mean more work done, and how much work that is. Kept in a file per
 * machine and model.
 */
import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { type Clock, promisedTokenGapMs } from '../base/index.ts'

/** Of the way of measuring: what an earlier one found is measured anew. */
const VERSION = 2

const rowSchema = z.object({
  streams: z.number(),
  /** 1 for each prompt token computed and 2 for each token generated. */
  serviceUnitsPerS: z.number(),
  tokensPerS: z.number(),
  /** 95th percentile over requests of their mean time between tokens. */
  meanTokenGapP95Ms: z.number(),
})

const calibrationSchema = z.object({
  version: z.literal(VERSION),
  threads: z.number(),
  /** Of streams that only write. */
  rows: z.array(rowSchema).min(1),
  /** Service of a saturated closed loop of requests that come and go, at its best. */
  capacityUnitsPerS: z.number(),
  knee: z.number(),
  /** The same with as many streams as the knee. */
  kneeUnitsPerS: z.number(),
  /**
   * Time between tokens at the knee while requests of all lengths come and go, so that streams also
   * wait while others' prompts are read: what the promise of pace rests on.
   */
  kneeTokenGapP95Ms: z.number(),
  /** Milliseconds since the epoch. */
  measuredAtMs: z.number(),
})

export type CalibrationRow = z.infer<typeof rowSchema>
export type Calibration = z.infer<typeof calibrationSchema>

const STREAMS_MOST = 16
/** Share of the highest throughput that the knee must reach. */
const KNEE_SHARE = 0.95

/** Share of the tokens at the knee that people's streams must write for background work to wait. */
const ENOUGH_SHARE = 0.9

/** The counts are gone through this many times, so that one disturbance spoils one pass only. */
const PASSES = 2

/** `writing`: all begin together and only write; `mixed`: requests of all lengths come and go. */
export type StreamMix = 'writing' | 'mixed'

/** Measures one number of streams with a number of threads. */
export type MeasureStreams = (
  streams: number,
  threads: number,
  durationMs: number,
  mix: StreamMix,
) => Promise<CalibrationRow>

/** Numbers of streams that are gone through: up to the cap where one is set. */
export function streamCounts(cap = STREAMS_MOST): number[] {
  const counts = Array.from({ length: 9 }, (_, i) => 2 ** i).filter((count) => count < cap)
  return [...counts, cap]
}

/**
 * The sweep: a fifth of `durationMs` picks the threads where there is a choice, three fifths go
 * through `counts`, three tenths measure work and pace at the knee, and as much more where other
 * streams than those of the knee write most.
 * @returns undefined where the model writes too slowly to be measured
 */
export async function calibrate(
  measure: MeasureStreams,
  options: {
    counts: readonly number[]
    threadCounts: readonly number[]
    durationMs: number
    clock: Clock
  },
): Promise<Calibration | undefined> {
  const { counts, threadCounts, durationMs, clock } = options
  let threads = threadCounts[0] ?? 1
  let best = 0
  if (threadCounts.length > 1)
    for (const count of threadCounts) {
      const row = await measure(
        Math.min(4, counts.at(-1) ?? 1),
        count,
        durationMs / 5 / threadCounts.length,
        'mixed',
      )
      if (row.serviceUnitsPerS > best) threads = count
      best = Math.max(best, row.serviceUnitsPerS)
    }
  const measured = async (
    streams: number,
    share: number,
    mix: StreamMix,
    before?: CalibrationRow,
  ) => better(before, await measure(streams, threads, share * durationMs, mix))
  const found: CalibrationRow[] = []
  for (let pass = 0; pass < PASSES; pass++)
    for (const [i, streams] of counts.entries())
      found[i] = await measured(streams, 0.6 / counts.length / PASSES, 'writing', found[i])
  const rows = found.filter(({ meanTokenGapP95Ms }) => meanTokenGapP95Ms > 0)
  if (rows.length === 0) return undefined
  const knee = kneeOf(rows)
  const most = rows.reduce((a, b) => (writesPerMs(b) > writesPerMs(a) ? b : a)).streams
  const mixed: CalibrationRow[] = []
  const loops = most === knee ? [knee] : [knee, most]
  for (let pass = 0; pass < PASSES; pass++)
    for (const [i, streams] of loops.entries())
      mixed[i] = await measured(streams, 0.3 / PASSES, 'mixed', mixed[i])
  const [atKnee, atMost = atKnee] = mixed as [CalibrationRow, CalibrationRow?]
  return {
    version: VERSION,
    threads,
    rows,
    capacityUnitsPerS: Math.max(atKnee.serviceUnitsPerS, atMost.serviceUnitsPerS),
    knee,
    kneeUnitsPerS: atKnee.serviceUnitsPerS,
    kneeTokenGapP95Ms: atKnee.meanTokenGapP95Ms,
    measuredAtMs: clock.nowMs(),
  }
}

/**
 * What else runs on the machine only ever slows a pass down, so the faster one is the truer one.
 */
function better(a: CalibrationRow | undefined, b: CalibrationRow): CalibrationRow {
  if (!a || a.meanTokenGapP95Ms === 0) return b
  if (b.meanTokenGapP95Ms === 0) return a
  const faster = a.serviceUnitsPerS >= b.serviceUnitsPerS ? a : b
  const meanTokenGapP95Ms = Math.min(a.meanTokenGapP95Ms, b.meanTokenGapP95Ms)
  return { ...faster, meanTokenGapP95Ms }
}

const writesPerMs = ({ streams, meanTokenGapP95Ms }: CalibrationRow) => streams / meanTokenGapP95Ms

/**
 * The fewest streams that do nearly the most work, among those at which tokens still come quickly.
 */
export function kneeOf(rows: readonly CalibrationRow[]): number {
  const alone = rows.find((row) => row.streams === 1)?.meanTokenGapP95Ms ?? 0
  const limitMs = promisedTokenGapMs(alone)
  const quick = rows.filter((row) => row.meanTokenGapP95Ms <= limitMs)
  const eligible = quick.length > 0 ? quick : rows.slice(0, 1)
  const highest = Math.max(...eligible.map((row) => row.serviceUnitsPerS))
  const knee = eligible.find((row) => row.serviceUnitsPerS >= KNEE_SHARE * highest)
  return knee?.streams ?? 1
}

/**
 * The fewest streams that write nearly as many tokens a second as the knee does, between those
 * measured by a straight line.
 */
export function enoughStreams({ rows, knee }: Pick<Calibration, 'rows' | 'knee'>): number {
  const rates = rows.map((row) => ({ ...row, rate: writesPerMs(row) }))
  const goal = ENOUGH_SHARE * (rates.find((row) => row.streams === knee)?.rate ?? 0)
  const above = rates.findIndex((row) => row.rate >= goal)
  const [low, high] = [rates[above - 1], rates[above]]
  if (!high) return knee
  if (!low) return high.streams
  const part = (goal - low.rate) / (high.rate - low.rate)
  return Math.min(knee, Math.ceil(low.streams + part * (high.streams - low.streams)))
}

/** What a calibration is valid for; anything else needs a new one. */
export interface CalibrationSubject {
  model: { name: string; fileBytes: number; parameters: number }
  /** What computes, whatever was asked for. */
  gpu: string | false
  /** Where it was set. */
  cap: number | undefined
  /** Of the machine those that this process may use. */
  cores: number
  threads: number | undefined
  libraryVersion: string
}

export class CalibrationCache {
  readonly #path: string

  /** @param folder created when the first calibration is written */
  constructor(folder: string, subject: CalibrationSubject) {
    const processors = cpus()
    const machine = [processors[0]?.model, processors.length, Math.round(totalmem() / 2 ** 30)]
    const key = createHash('sha256').update(JSON.stringify({ machine, subject })).digest('hex')
    this.#path = join(folder, `calibration-${key.slice(0, 16)}.json`)
  }

  /** The stored calibration; undefined when there is none or it cannot be understood. */
  async read(): Promise<Calibration | undefined> {
    const text = await readFile(this.#path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (text === undefined) return undefined
    try {
      return calibrationSchema.parse(JSON.parse(text))
    } catch (error) {
      if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined
      throw error
    }
  }

  async write(calibration: Calibration): Promise<void> {
    await mkdir(join(this.#path, '..'), { recursive: true })
    const draft = `${this.#path}.${process.pid}`
    await writeFile(draft, `${JSON.stringify(calibration, null, 2)}\n`)
    await rename(draft, this.#path)
  }
}
