/** vLLM. */
import { z } from 'zod'
import { CAP_BATCHING, type Detect, expressFor, isAtLeast, plain } from './traits.ts'

/** Its own default of `--max-num-seqs`; above it requests wait inside. */
const CAP_MOST = 256
const ADVICE =
  'Start vLLM with --scheduling-policy priority, so that background work stands back inside it too.'

const versionSchema = z.object({ version: z.string() })

export const detectVllm: Detect = async (asker, models) => {
  const [model] = models
  if (model?.owned_by !== 'vllm') return null
  const parsed = versionSchema.safeParse(await asker.page('/version'))
  if (!parsed.success) return null
  const { version } = parsed.data
  // It refuses the field unless it runs with priority scheduling; one token tells.
  const probe = { model: model.id, prompt: 'a', max_tokens: 1, priority: 1 }
  const takesPriority = (await asker.statusOf('/v1/completions', probe)) === 200
  return {
    ...plain,
    kind: 'vllm',
    version,
    cap: CAP_BATCHING,
    capMost: CAP_MOST,
    express: expressFor(CAP_BATCHING),
    capReason: 'vLLM does not say how many requests it runs at its best; this is the default.',
    takesPriority,
    takesCacheSalt: isAtLeast(version, [0, 9]),
    tellsLoad: (await asker.load('vllm')) !== null,
    advice: takesPriority ? null : ADVICE,
  }
}
