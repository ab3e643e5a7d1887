/**
 * A thread that works out one plan, or one answer about it, and ends: the simulator takes seconds
 * to minutes, during which the gateway must go on. Does no I/O but messages.
 */
import { constants, setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { GristmillError, seededRandom } from '../base/index.ts'
import {
  builtInProfiles,
  type Dedicated,
  dedicatedEngines,
  exampleTrace,
  importTrace,
  type PlanChange,
  type PlanStep,
  planFor,
  splitTenants,
  type TraceRow,
  whatIf,
} from '../pool/index.ts'

/** What the thread is begun with. */
export interface PlanTask {
  /** The text of a trace, UTF-8; null stands for the example. */
  trace: Uint8Array | null
  engine: string
  ttftP99Ms: number
  costPerEngineHour: number | null
  tenants: number
  seed: number
  /**
   * What a change would do, with the engines that the pool has; or engines for each tenant alone,
   * over so many draws. Null asks for the whole plan.
   */
  question: { change: PlanChange; engines: number | undefined } | { draws: number } | null
}

/** What the thread says; after `done`, `needed` or `refused` it ends. */
export type PlanMessage =
  | { kind: 'step'; done: number; of: number; what: string }
  | { kind: 'done'; result: ReturnType<typeof planFor> | ReturnType<typeof whatIf> }
  | { kind: 'needed'; result: Dedicated }
  /** What was asked cannot be worked out; why, a sentence. */
  | { kind: 'refused'; reason: string }

// Only Linux has a priority for each thread; elsewhere this would slow the gateway down.
if (process.platform === 'linux') setPriority(constants.priority.PRIORITY_LOW)

const say = (message: PlanMessage) => parentPort?.postMessage(message)
try {
  say(worked(workerData as PlanTask))
} catch (error) {
  // Anything else is a defect and ends the thread as one.
  if (!(error instanceof GristmillError)) throw error
  say({ kind: 'refused', reason: error.message })
}

function worked(task: PlanTask): PlanMessage {
  const { ttftP99Ms, costPerEngineHour, seed, question } = task
  const onStep: PlanStep = (done, of, what) => say({ kind: 'step', done, of, what })
  const profile = builtInProfiles.find(({ name }) => name === task.engine)
  if (profile === undefined) throw new Error(`there is no profile ${task.engine}`)
  const common = { rows: rowsOf(task), profile, ttftP99Ms, seed, onStep }
  if (question === null) {
    const report = planFor({ ...common, ...(costPerEngineHour !== null && { costPerEngineHour }) })
    return { kind: 'done', result: report }
  }
  if ('change' in question) return { kind: 'done', result: whatIf({ ...common, ...question }) }
  return { kind: 'needed', result: dedicatedEngines({ ...common, ...question }) }
}

function rowsOf({ trace, tenants, seed }: PlanTask): TraceRow[] {
  if (trace === null) return exampleTrace()
  const rows = importTrace(new TextDecoder().decode(trace))
  if (rows.length === 0) {
    throw new GristmillError('invalid_value', { param: 'trace', reason: 'it has no requests' })
  }
  const hasTenants = rows.some(({ tenant }) => tenant !== '')
  return hasTenants ? rows : splitTenants(rows, tenants, seededRandom(seed))
}
