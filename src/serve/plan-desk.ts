/**
 * Plans that people ask for, each worked out in a thread of its own (`plan-worker.ts`): one at a
 * time for a person, few for all, bounded in time and memory. Keeps the newest plan of a person
 * with its trace, so that questions can be asked about it; nothing is stored.
 */
import type { Worker } from 'node:worker_threads'
import {
  type Clock,
  GristmillError,
  type Limits,
  type Logger,
  newId,
  type Random,
} from '../base/index.ts'
import type { PlanInput, PlanReport, PlanService, PlanView, WhatIfReport } from '../http/index.ts'
import type { PlanChange } from '../pool/index.ts'
import type { Queries } from '../store/index.ts'
import { ledgerTrace } from './ledger-trace.ts'
import { ownEngines } from './own-engines.ts'
import { planThread } from './plan-thread.ts'
import type { PlanMessage, PlanTask } from './plan-worker.ts'

/** The gateway and the engine need the other cores. */
const PLANS_AT_ONCE = 2
const RETRY_MS = 10_000
/** Each with its trace. */
const KEPT_MAX = 8
const ANSWERS_MAX = 8

export interface PlanDeskOptions {
  sql: Queries
  clock: Clock
  random: Random
  logger: Logger
  limits: Pick<Limits, 'planMsMax' | 'planTraceBytesMax'>
}

export interface PlanDesk extends PlanService {
  /** Ends all that is being worked out. */
  close(): Promise<void>
}

interface Job {
  view: PlanView
  task: Omit<PlanTask, 'question'>
  worker: Worker | null
}

/** @param options where the ledger is, and the bounds of one plan */
export function planDesk(options: PlanDeskOptions): PlanDesk {
  const { clock, random } = options
  const jobs = new Map<string, Job>()
  /** Whose ledger is being read, or who waits for engines of tenants alone. */
  const preparing = new Set<string>()
  const closing = new AbortController()

  const checkFree = (person: string) => {
    if (preparing.has(person) || jobs.get(person)?.worker) throw new GristmillError('plan_running')
    const busy = [...jobs.values()].filter(({ worker }) => worker !== null).length
    if (busy + preparing.size < PLANS_AT_ONCE) return
    const details = { plansMax: PLANS_AT_ONCE }
    throw new GristmillError('too_many_plans', details, { retryAfterMs: RETRY_MS })
  }

  const keep = (person: string, job: Job) => {
    jobs.delete(person)
    jobs.set(person, job)
    const idle = [...jobs].filter(([, { worker }]) => worker === null)
    for (const [other] of idle.slice(0, Math.max(0, jobs.size - KEPT_MAX))) jobs.delete(other)
  }

  return {
    view: (person) => jobs.get(person)?.view ?? null,
    async start(person, input) {
      checkFree(person)
      preparing.add(person)
      try {
        const trace = await traceOf(options, input.source)
        const { engine, ttftP99Ms, costPerEngineHour, tenants, seed } = input
        const task = { trace, engine, ttftP99Ms, costPerEngineHour, tenants, seed }
        const id = newId('plan', clock, random)
        const job: Job = { view: begun(id, input, clock.nowMs()), task, worker: null }
        run(options, job, null)
        keep(person, job)
        return job.view
      } finally {
        preparing.delete(person)
      }
    },
    ask(person, change) {
      const job = jobs.get(person)
      if (!job?.view.report) throw new GristmillError('not_found', { kind: 'plan', id: 'yours' })
      checkFree(person)
      run(options, job, change)
      return job.view
    },
    cancel(person) {
      const job = jobs.get(person)
      if (job?.worker) end(job, clock, null)
      return job?.view ?? null
    },
    async dedicated(person, input, signal) {
      checkFree(person)
      preparing.add(person)
      try {
        return await ownEngines(options, input, AbortSignal.any([signal, closing.signal]))
      } finally {
        preparing.delete(person)
      }
    },
    async close() {
      closing.abort()
      const workers = [...jobs.values()].flatMap(({ worker }) => worker ?? [])
      await Promise.all(workers.map((worker) => worker.terminate()))
    },
  }
}

async function traceOf({ sql, clock, limits }: PlanDeskOptions, source: PlanInput['source']) {
  if (source.kind === 'example') return null
  if (source.kind === 'trace') return source.bytes
  const { hours, tenantIds } = source
  const sinceMs = clock.nowMs() - hours * 3_600_000
  return ledgerTrace(sql, { sinceMs, tenantIds, bytesMax: limits.planTraceBytesMax })
}

function begun(id: string, { source, ...rest }: PlanInput, nowMs: number): PlanView {
  const { engine, ttftP99Ms, costPerEngineHour, tenants, seed } = rest
  const name = source.kind === 'trace' ? source.name : null
  const hours = source.kind === 'ledger' ? source.hours : null
  return {
    id,
    state: 'running',
    step: 'the trace',
    progress: 0,
    startedAt: new Date(nowMs).toISOString(),
    endedAt: null,
    failure: null,
    input: {
      source: source.kind,
      name,
      hours,
      engine,
      ttftP99Ms,
      costPerEngineHour,
      tenants,
      seed,
    },
    report: null,
    answers: [],
  }
}

/** Begins a thread, and follows what it says until it ends or its time is over. */
function run(
  { clock, logger, limits }: PlanDeskOptions,
  job: Job,
  change: PlanChange | null,
): void {
  const engines = job.view.report?.arrangements.find(({ kind }) => kind === 'pooled')?.engines
  const task: PlanTask = { ...job.task, question: change && { change, engines } }
  const worker = planThread(task)
  const startedAt = new Date(clock.nowMs()).toISOString()
  const fresh = { state: 'running', step: 'the trace', progress: 0, failure: null } as const
  job.worker = worker
  job.view = { ...job.view, ...fresh, startedAt, endedAt: null }
  const isOurs = () => job.worker === worker
  const late = clock.after(limits.planMsMax, () => {
    if (!isOurs()) return
    const seconds = Math.round(limits.planMsMax / 1000)
    end(job, clock, `It was not done within ${seconds} s; a shorter trace takes less.`)
  })
  worker.on('message', (message: PlanMessage) => {
    if (!isOurs()) return
    if (message.kind === 'step') {
      const { done, of, what } = message
      job.view = { ...job.view, step: what, progress: done / of }
    } else if (message.kind === 'refused') end(job, clock, message.reason)
    else if (message.kind === 'done') finish(job, clock, message.result)
  })
  worker.on('error', (error: NodeJS.ErrnoException) => {
    if (!isOurs()) return
    logger.error({ err: error }, 'a plan failed')
    const isLarge = error.code === 'ERR_WORKER_OUT_OF_MEMORY'
    end(job, clock, isLarge ? 'The trace is too large for it.' : 'It failed; the log says why.')
  })
  worker.on('exit', () => late.cancel())
}

function finish(job: Job, clock: Clock, result: PlanReport | WhatIfReport): void {
  const { view } = job
  job.view =
    'change' in result
      ? { ...view, answers: [result, ...view.answers].slice(0, ANSWERS_MAX) }
      : { ...view, report: result }
  end(job, clock, null, 'done')
}

/** @param failure a sentence, or null where it was stopped or is done */
function end(
  job: Job,
  clock: Clock,
  failure: string | null,
  state: PlanView['state'] = failure === null ? 'cancelled' : 'failed',
): void {
  void job.worker?.terminate()
  job.worker = null
  const endedAt = new Date(clock.nowMs()).toISOString()
  // A question that was stopped or failed leaves the plan as it was.
  const kept = job.view.report === null ? state : 'done'
  job.view = { ...job.view, state: kept, failure, endedAt, step: '', progress: 1 }
}
