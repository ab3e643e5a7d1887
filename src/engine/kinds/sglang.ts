/** SGLang, which tells the arguments that it was started with. */
import { z } from 'zod'
import { adviceOf, CAP_BATCHING, type Detect, expressFor, isAtLeast, plain } from './traits.ts'

const CAP_MOST = 256
/** Before this version a salt may get lost between its HTTP server and its scheduler. */
const SALTS_FROM = [0, 5, 17]
const ADVICE_PRIORITY =
  'Start SGLang with --enable-priority-scheduling --schedule-low-priority-values-first, so that background work stands back inside it too.'
const ADVICE_METRICS = 'Start SGLang with --enable-metrics, so that it tells of its queue.'

const infoSchema = z.object({
  version: z.string(),
  /** Of each of its data-parallel parts. */
  max_running_requests: z.number().int().positive().nullish(),
  dp_size: z.number().int().positive().nullish(),
  enable_priority_scheduling: z.boolean().nullish(),
  schedule_low_priority_values_first: z.boolean().nullish(),
})

export const detectSglang: Detect = async (asker, models) => {
  if (models[0]?.owned_by !== 'sglang') return null
  // The second is its name before 2026.
  const page = (await asker.page('/server_info')) ?? (await asker.page('/get_server_info'))
  const parsed = infoSchema.safeParse(page)
  if (!parsed.success) return null
  const info = parsed.data
  const most = (info.max_running_requests ?? CAP_MOST) * (info.dp_size ?? 1)
  const cap = Math.min(CAP_BATCHING, most)
  // Ranks go up from the best; without the second argument the highest number would go first.
  const takesPriority =
    info.enable_priority_scheduling === true && info.schedule_low_priority_values_first === true
  const tellsLoad = (await asker.load('sglang')) !== null
  return {
    ...plain,
    kind: 'sglang',
    version: info.version,
    cap,
    capMost: most,
    express: expressFor(cap),
    capReason: 'SGLang does not say how many requests it runs at its best; this is the default.',
    takesPriority,
    takesCacheSalt: isAtLeast(info.version, SALTS_FROM),
    tellsLoad,
    advice: adviceOf(!takesPriority && ADVICE_PRIORITY, !tellsLoad && ADVICE_METRICS),
  }
}
