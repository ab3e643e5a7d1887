/** How what the library throws is told. */
import { GristmillError } from '../base/index.ts'

export function engineFailed(error: unknown): GristmillError {
  if (error instanceof GristmillError) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new GristmillError('engine_failed', { reason }, { cause: error })
}
