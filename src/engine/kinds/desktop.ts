/**
 * Ollama and LM Studio: programs for one person's machine, which load models when they are asked
 * for. They queue by themselves and tell nothing of it.
 */
import { z } from 'zod'
import type { EngineProfile } from '../types.ts'
import { CAP_UNKNOWN, type Detect, plain } from './traits.ts'

const ADVICE_OLLAMA =
  'Ollama runs one request at a time unless OLLAMA_NUM_PARALLEL says more; set the same number of slots here.'

const versionSchema = z.object({ version: z.string() })
const loadedSchema = z.object({
  models: z.array(
    z.object({ name: z.string(), context_length: z.number().int().positive().nullish() }),
  ),
})
const lmModelsSchema = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      state: z.string(),
      loaded_context_length: z.number().int().positive().nullish(),
    }),
  ),
})

export const detectOllama: Detect = async (asker) => {
  const parsed = versionSchema.safeParse(await asker.page('/api/version'))
  if (!parsed.success || !loadedSchema.safeParse(await asker.page('/api/ps')).success) return null
  return {
    ...plain,
    kind: 'ollama',
    version: parsed.data.version,
    cap: 1,
    capMost: CAP_UNKNOWN,
    capReason: 'What Ollama runs at once unless it is told otherwise.',
    advice: ADVICE_OLLAMA,
  }
}

export const detectLmStudio: Detect = async (asker) => {
  if (!lmModelsSchema.safeParse(await asker.page('/api/v0/models')).success) return null
  return {
    ...plain,
    kind: 'lm-studio',
    version: null,
    cap: 1,
    capMost: CAP_UNKNOWN,
    capReason: 'LM Studio does not say how many requests it runs at once.',
  }
}

/**
 * Contexts of the models that are loaded at the moment; with another one they may be loaded again.
 * @returns null for engines whose models stay as they are
 */
export async function loadedContexts(
  kind: EngineProfile['kind'],
  page: (path: string) => Promise<unknown>,
): Promise<ReadonlyMap<string, number> | null> {
  if (kind === 'ollama') {
    const { models } = loadedSchema.parse(await page('/api/ps'))
    return known(models.map((one) => [one.name, one.context_length]))
  }
  if (kind !== 'lm-studio') return null
  const { data } = lmModelsSchema.parse(await page('/api/v0/models'))
  return known(data.map((one) => [one.id, one.loaded_context_length]))
}

function known(all: readonly (readonly [string, number | null | undefined])[]) {
  return new Map(all.flatMap(([name, tokens]) => (tokens ? [[name, tokens] as const] : [])))
}
