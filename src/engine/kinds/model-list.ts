/** `GET /v1/models` as engines and services answer it, each with its own words beside the id. */
import { z } from 'zod'

const positive = z.number().int().positive().nullish().catch(null)

const listed = z.object({
  id: z.string().min(1),
  owned_by: z.string().nullish(),
  /** vLLM, SGLang, our own engine. */
  max_model_len: positive,
  /** OpenRouter. */
  context_length: positive,
  /** Mistral. */
  max_context_length: positive,
  /** Anthropic. */
  max_input_tokens: positive,
  /** Ray Serve. */
  rayllm_metadata: z.object({ max_request_context_length: positive }).nullish().catch(null),
  meta: z
    .object({
      n_ctx: positive,
      cap: positive,
      express: z.number().int().min(0).nullish(),
      spare: z.number().int().min(0).nullish(),
      toy: z.boolean().nullish(),
      embeds_only: z.boolean().nullish(),
      version: z.string().nullish(),
      calibration: z
        .object({
          capacityUnitsPerS: z.number().positive(),
          knee: z.number(),
          kneeTokenGapP95Ms: z.number().nullish(),
        })
        .nullish(),
    })
    .nullish()
    .catch(null),
})

export type ListedModel = z.infer<typeof listed>

export const modelListSchema = z.object({ data: z.array(listed) })

/** Context that an entry of the list tells itself, tokens. */
export function listedContext(model: ListedModel): number | null {
  return (
    model.max_model_len ??
    model.context_length ??
    model.max_context_length ??
    model.max_input_tokens ??
    model.rayllm_metadata?.max_request_context_length ??
    null
  )
}
