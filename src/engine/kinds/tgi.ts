/** Hugging Face's text-generation-inference. */
import { z } from 'zod'
import { CAP_BATCHING, type Detect, expressFor, plain } from './traits.ts'

const infoSchema = z.object({
  model_id: z.string(),
  version: z.string(),
  /** More are refused with 429. */
  max_concurrent_requests: z.number().int().positive(),
  max_total_tokens: z.number().int().positive().nullish(),
})

export const detectTgi: Detect = async (asker) => {
  const parsed = infoSchema.safeParse(await asker.page('/info'))
  if (!parsed.success) return null
  const info = parsed.data
  const express = expressFor(CAP_BATCHING)
  const most = Math.max(1, info.max_concurrent_requests - express)
  const cap = Math.min(CAP_BATCHING, most)
  return {
    ...plain,
    kind: 'tgi',
    version: info.version,
    cap,
    capMost: most,
    express: Math.min(express, info.max_concurrent_requests - cap),
    capReason: 'TGI does not say how many requests it runs at its best; this is the default.',
    tellsLoad: (await asker.load('tgi')) !== null,
    contextTokens: info.max_total_tokens ?? null,
  }
}
