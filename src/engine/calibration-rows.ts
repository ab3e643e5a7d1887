/** The table of calibrations. */
import { z } from 'zod'
import type { Queries } from '../store/index.ts'
import type { EngineCalibration } from './calibration.ts'

const count = z.number().min(0)
const tokensSchema = z.object({ input: count, cached: count, output: count })

const stepTimesSchema = z.object({
  read: z.object({ tokens: count, pieces: count, seconds: count }),
  passes: z.array(z.object({ sequences: count, count, seconds: count })),
  enough: count,
})

const resultSchema = z.object({
  weights: z.object({ input: z.number().positive(), cached: count, output: z.number().positive() }),
  capacityUnitsPerS: count,
  knee: z.number().int().positive(),
  kneeUnitsPerS: count,
  tokenGapMs: count.nullable(),
  readTokensPerS: count,
  writeTokensPerS: count,
  points: z.array(
    z.object({
      mix: z.enum(['even', 'prompts', 'answers', 'prefixes']),
      concurrency: z.number().int().positive(),
      seconds: z.number().positive(),
      tokens: tokensSchema,
      tokenGapP95Ms: count.nullable(),
      // Rows of before it was asked have none.
      steps: stepTimesSchema.optional(),
    }),
  ),
})

/** What a calibration is valid for; another engine, version or setting needs a new one. */
export interface CalibrationSubject {
  machine: Record<string, unknown>
  settings: Record<string, unknown>
}

export interface CalibrationRow extends CalibrationSubject {
  engineId: string
  model: string
  /** Why it was measured, a sentence. */
  cause: string
  result: EngineCalibration
  measuredAt: Date
}

export async function insertCalibration(sql: Queries, row: CalibrationRow): Promise<void> {
  await sql`
    insert into engine_calibrations (engine_id, model, machine, settings, cause, result,
                                     measured_at)
    values (${row.engineId}, ${row.model}, ${JSON.stringify(row.machine)}::text::jsonb,
            ${JSON.stringify(row.settings)}::text::jsonb, ${row.cause},
            ${JSON.stringify(row.result)}::text::jsonb, ${row.measuredAt})`
}

/** The newest calibration of every engine and model; rows that make no sense are left out. */
export async function readCalibrations(sql: Queries): Promise<CalibrationRow[]> {
  const rows = await sql<(Omit<CalibrationRow, 'result'> & { result: unknown })[]>`
    select distinct on (engine_id, model) engine_id as "engineId", model, machine, settings,
           cause, result, measured_at as "measuredAt"
      from engine_calibrations order by engine_id, model, id desc`
  return rows.flatMap((row) => {
    const result = resultSchema.safeParse(row.result)
    return result.success ? [{ ...row, result: result.data }] : []
  })
}
