/**
 * What engines tell of their own load, each in its own words: how many requests run and wait inside
 * them, how full their memory is, whether they throw requests out. An engine that tells nothing,
 * or nonsense, has no signals; it is never taken for empty.
 */
import { z } from 'zod'
import { type MetricSample, readSamples } from './metrics-text.ts'
import { parsedJson } from './parsed-json.ts'
import type { EngineLoad, EngineProfile } from './types.ts'

/** Fetches a page of an engine. */
export type GetPage = (path: string) => Promise<{ status: number; text: string }>

/** Names of one engine's metrics; of several the first that is there counts. */
interface Names {
  running: readonly string[]
  waiting: readonly string[]
  kvUsage: readonly string[]
  preemptions: readonly string[]
}

const METRIC_NAMES: Partial<Record<EngineProfile['kind'], Names>> = {
  vllm: {
    running: ['vllm:num_requests_running'],
    waiting: ['vllm:num_requests_waiting'],
    // Renamed with the engine of version 1; the old name was in use until 0.10.
    kvUsage: ['vllm:kv_cache_usage_perc', 'vllm:gpu_cache_usage_perc'],
    preemptions: ['vllm:num_preemptions_total', 'vllm:num_preemptions'],
  },
  sglang: {
    running: ['sglang:num_running_reqs'],
    waiting: ['sglang:num_queue_reqs'],
    kvUsage: ['sglang:token_usage'],
    // What it calls a retraction; `num_retracted_reqs` is only of the newest batch.
    preemptions: ['sglang:num_retracted_requests_total'],
  },
  tgi: {
    running: ['tgi_batch_current_size'],
    waiting: ['tgi_queue_size'],
    kvUsage: [],
    preemptions: [],
  },
  'llama.cpp': {
    running: ['llamacpp:requests_processing'],
    waiting: ['llamacpp:requests_deferred'],
    // Newer servers have dropped it.
    kvUsage: ['llamacpp:kv_cache_usage_ratio'],
    preemptions: [],
  },
  gristmill: {
    running: ['gristmill:num_requests_running'],
    waiting: ['gristmill:num_requests_waiting'],
    kvUsage: [],
    preemptions: [],
  },
}

const slotsSchema = z.array(z.object({ is_processing: z.boolean() })).min(1)

/**
 * Asks an engine for its load.
 * @returns null where it tells nothing, or nothing that can be understood
 * @throws Error what `get` throws
 */
export async function readLoad(
  kind: EngineProfile['kind'],
  get: GetPage,
): Promise<EngineLoad | null> {
  const names = METRIC_NAMES[kind]
  if (names === undefined) return null
  const { status, text } = await get('/metrics')
  const load = status === 200 ? loadFrom(text, names) : null
  if (load !== null || kind !== 'llama.cpp') return load
  // Its metrics are off by default, its slots are not.
  const slots = await get('/slots')
  return slots.status === 200 ? loadFromSlots(slots.text) : null
}

function loadFrom(text: string, names: Names): EngineLoad | null {
  const samples = readSamples(text, new Set(Object.values(names).flat()))
  const running = sum(first(samples, names.running))
  if (running === null) return null
  return {
    running,
    waiting: sum(first(samples, names.waiting)),
    kvUsage: highest(first(samples, names.kvUsage)),
    preemptions: sum(first(samples, names.preemptions)),
  }
}

/** Samples of the first of these names that has any: one for each part of the engine. */
function first(samples: readonly MetricSample[], names: readonly string[]): number[] {
  for (const name of names) {
    const values = samples.filter((sample) => sample.name === name).map(({ value }) => value)
    if (values.length > 0) return values.filter((value) => Number.isFinite(value) && value >= 0)
  }
  return []
}

const sum = (values: readonly number[]) =>
  values.length === 0 ? null : values.reduce((total, value) => total + value, 0)
const highest = (values: readonly number[]) => (values.length === 0 ? null : Math.max(...values))

function loadFromSlots(text: string): EngineLoad | null {
  const slots = slotsSchema.safeParse(parsedJson(text))
  if (!slots.success) return null
  const running = slots.data.filter((slot) => slot.is_processing).length
  // Who waits for a slot is not on this page.
  return { running, waiting: null, kvUsage: null, preemptions: null }
}
