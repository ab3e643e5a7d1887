/**
 * Whether llama.cpp's server keeps prompts so that tenants can be kept apart: each of its slots the
 * prompt that it read last, and nothing beside them. It does not say so, but its counts do. With
 * `--cache-ram` (on as installed) what one slot has read comes back in any other.
 */
import { z } from 'zod'
import type { Random } from '../../base/index.ts'

/**
 * Asks for a completion by its first model; resolves with the answer as JSON, undefined where there
 * is none. Rejects where the server does not answer.
 */
export type Complete = (body: object) => Promise<unknown>

/** How it keeps prompts: `apart` by slot, `everywhere`, or `not` so that its counts show it. */
export type PromptKeeping = 'apart' | 'everywhere' | 'not'

const answerSchema = z.object({
  usage: z.object({
    prompt_tokens: z.number(),
    prompt_tokens_details: z.object({ cached_tokens: z.number() }),
  }),
})
/** Two random texts have no more in common than what every prompt begins with. */
const KEPT_SHARE = 0.5
const TEXT_BYTES = 18

/**
 * Sends it five prompts of some thirty tokens.
 * @param slots that it has
 */
export async function promptKeepingOf(
  complete: Complete,
  slots: number,
  random: Random,
): Promise<PromptKeeping> {
  const isKept = async (prompt: string, slot: number) => {
    const body = { prompt, max_tokens: 1, id_slot: slot, cache_prompt: true }
    const answer = answerSchema.safeParse(await complete(body))
    if (!answer.success) return undefined
    const { prompt_tokens: tokens, prompt_tokens_details: details } = answer.data.usage
    return details.cached_tokens > KEPT_SHARE * tokens
  }
  const text = () => Buffer.from(random.bytes(TEXT_BYTES)).toString('hex')
  const [one, other] = [text(), text()]
  if ((await isKept(one, 0)) !== false) return 'not'
  if ((await isKept(one, 0)) !== true) return 'not'
  if (slots > 1 && (await isKept(one, 1)) !== false) return 'everywhere'
  if ((await isKept(other, 0)) !== false) return 'everywhere'
  return (await isKept(one, 0)) === false ? 'apart' : 'everywhere'
}
