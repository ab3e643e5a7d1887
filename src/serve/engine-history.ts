/** How an engine has been in the last day, as people see it. */
import type { Clock } from '../base/index.ts'
import type { EngineHistoryView } from '../http/index.ts'
import { queryChanges, queryErrors, querySteps } from '../meter/index.ts'
import type { Queries } from '../store/index.ts'

const SPAN_S = 86_400
const STEP_S = 900
const CHANGES_MAX = 100
const ERROR_SPANS_S = [300, 3600, SPAN_S]

/** @param engineId of an engine that there is */
export async function engineHistory(
  sql: Queries,
  clock: Clock,
  engineId: string,
): Promise<EngineHistoryView> {
  const nowMs = clock.nowMs()
  const stepMs = STEP_S * 1000
  // The step in progress is the last one.
  const fromMs = (Math.floor(nowMs / stepMs) + 1) * stepMs - SPAN_S * 1000
  const [steps, changes, errors] = await Promise.all([
    querySteps(sql, engineId, fromMs, STEP_S),
    queryChanges(sql, engineId, CHANGES_MAX),
    Promise.all(
      ERROR_SPANS_S.map(async (spanS) => ({
        spanS,
        ...(await queryErrors(sql, engineId, nowMs - spanS * 1000)),
      })),
    ),
  ])
  return {
    engineId,
    fromAt: wireTime(fromMs),
    stepS: STEP_S,
    stepCount: SPAN_S / STEP_S,
    steps: steps.map(({ atMs, ...step }) => ({ at: wireTime(atMs), ...step })),
    changes: changes.map(({ atMs, state, reason }) => ({ at: wireTime(atMs), state, reason })),
    errors,
  }
}

const wireTime = (ms: number) => new Date(ms).toISOString()
