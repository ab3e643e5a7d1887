/** llama.cpp's server. Its slots are all it has, so one in nine is kept for newcomers. */
import { z } from 'zod'
import type { Random } from '../../base/index.ts'
import { type Complete, promptKeepingOf } from './llama-slots.ts'
import { adviceOf, type Detect, plain, type Traits } from './traits.ts'

const ADVICE = "Start llama.cpp's server with --metrics, so that it tells of its queue."
const ADVICE_KEPT =
  "Start llama.cpp's server with --cache-ram 0, so that tenants have their prompts kept, if nobody but this pool uses it."

const propsSchema = z.object({
  total_slots: z.number().int().positive(),
  build_info: z.string().nullish(),
  default_generation_settings: z.object({ n_ctx: z.number().int().positive().nullish() }).nullish(),
})

export const detectLlama: Detect = async (asker) => {
  const parsed = propsSchema.safeParse(await asker.page('/props'))
  if (!parsed.success) return null
  const { total_slots: slots, build_info, default_generation_settings: settings } = parsed.data
  const cap = Math.max(1, Math.floor((8 * slots) / 9))
  const load = await asker.load('llama.cpp')
  return {
    ...plain,
    kind: 'llama.cpp',
    version: build_info ?? null,
    cap,
    capMost: cap,
    express: slots - cap,
    capReason: 'The number of its slots, without those kept for newcomers.',
    takesCacheOff: true,
    tellsLoad: load !== null,
    advice: load === null || load.waiting === null ? ADVICE : null,
    contextTokens: settings?.n_ctx ?? null,
  }
}

/**
 * Tries out whether its prompts can be kept for tenants, slot by slot.
 * @returns the traits with what was found; the same where it is another program
 */
export async function withPromptSlots(
  traits: Traits,
  complete: Complete,
  random: Random,
): Promise<Traits> {
  if (traits.kind !== 'llama.cpp') return traits
  const slots = traits.cap + traits.express
  const keeping = await promptKeepingOf(complete, slots, random)
  if (keeping === 'apart') return { ...traits, promptSlots: slots }
  if (keeping === 'not') return traits
  return { ...traits, advice: adviceOf(traits.advice ?? false, ADVICE_KEPT) }
}
