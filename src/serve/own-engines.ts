/** Engines that tenants would need alone, for requests of the ledger, worked out in a thread. */
import { GristmillError } from '../base/index.ts'
import type { DedicatedInput } from '../http/index.ts'
import type { Dedicated } from '../pool/index.ts'
import { ledgerTrace } from './ledger-trace.ts'
import type { PlanDeskOptions } from './plan-desk.ts'
import { planThread } from './plan-thread.ts'
import type { PlanMessage, PlanTask } from './plan-worker.ts'

/**
 * @param signal ends it, as does its time
 * @throws GristmillError `invalid_value` where nothing was settled then, or it takes too long
 */
export async function ownEngines(
  { sql, clock, limits }: Pick<PlanDeskOptions, 'sql' | 'clock' | 'limits'>,
  { fromMs, toMs, tenantIds, engine, ttftP99Ms, draws }: DedicatedInput,
  signal: AbortSignal,
): Promise<Dedicated> {
  const span = { sinceMs: fromMs, untilMs: toMs, tenantIds, bytesMax: limits.planTraceBytesMax }
  const task: PlanTask = {
    trace: await ledgerTrace(sql, span),
    ...{ engine, ttftP99Ms, costPerEngineHour: null, tenants: 1, seed: 1, question: { draws } },
  }
  signal.throwIfAborted()
  const worker = planThread(task)
  const result = Promise.withResolvers<Dedicated>()
  const late = clock.after(limits.planMsMax, () => {
    const reason = `it was not done within ${Math.round(limits.planMsMax / 1000)} s`
    result.reject(new GristmillError('invalid_value', { param: 'from', reason }))
  })
  const stop = () => result.reject(signal.reason)
  signal.addEventListener('abort', stop)
  worker.on('message', (message: PlanMessage) => {
    if (message.kind === 'needed') result.resolve(message.result)
    else if (message.kind === 'refused') {
      result.reject(new GristmillError('invalid_value', { param: 'from', reason: message.reason }))
    }
  })
  worker.on('error', (error) => result.reject(error))
  try {
    return await result.promise
  } finally {
    late.cancel()
    signal.removeEventListener('abort', stop)
    await worker.terminate()
  }
}
