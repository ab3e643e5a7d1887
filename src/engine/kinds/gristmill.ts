/** Our own engine, which tells everything in its list of models. */
import type { ListedModel } from './model-list.ts'
import { CAP_UNKNOWN, plain, type Traits } from './traits.ts'

export function gristmillTraits(models: readonly ListedModel[]): Traits {
  const meta = models[0]?.meta
  const cap = meta?.cap ?? CAP_UNKNOWN
  return {
    ...plain,
    kind: 'gristmill',
    version: meta?.version ?? null,
    cap,
    // It has no sequences beyond those that it was started with.
    capMost: cap,
    capReason:
      cap === meta?.calibration?.knee
        ? 'Found by calibration: more requests at once would not get more work done.'
        : 'As the engine was started.',
    express: meta?.express ?? 0,
    spare: meta?.spare ?? 0,
    capacityUnitsPerS: meta?.calibration?.capacityUnitsPerS ?? null,
    tokenGapMs: meta?.calibration?.kneeTokenGapP95Ms ?? null,
    takesPriority: true,
    takesCacheSalt: true,
    yieldsBySteps: true,
    tellsLoad: true,
  }
}
