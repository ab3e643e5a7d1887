/** The threads in which plans are worked out, bounded in memory. */
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { PlanTask } from './plan-worker.ts'

const WORKER = new URL(`./plan-worker${extname(import.meta.url)}`, import.meta.url)
const HEAP_MB_MAX = 1024

export function planThread(task: PlanTask): Worker {
  const resourceLimits = { maxOldGenerationSizeMb: HEAP_MB_MAX }
  return new Worker(WORKER, { workerData: task, resourceLimits })
}
