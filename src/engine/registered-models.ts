/** The models that engines serve, or have served while they are away, each once. */
import { presets } from './services/presets.ts'
import type { EngineProfile } from './types.ts'

export interface RegisteredModel {
  name: string
  contextTokens: number | null
  createdAtMs: number
  toy: boolean
  /** True where it turns texts into vectors and writes none. */
  embedsOnly: boolean
  /** True where an engine of it speaks Anthropic's wire. */
  speaksMessages: boolean
}

/** @param engines in the order in which they were added */
export function registeredModels(
  engines: readonly { watch: { profile: EngineProfile }; createdAtMs: number }[],
): Map<string, RegisteredModel> {
  const models = new Map<string, RegisteredModel>()
  for (const { watch, createdAtMs } of engines) {
    const { profile } = watch
    const wire = profile.service && presets[profile.service].wire
    for (const { name, contextTokens, toy, embedsOnly = false } of profile.models) {
      const known = models.get(name)
      const smaller = Math.min(known?.contextTokens ?? Infinity, contextTokens ?? Infinity)
      models.set(name, {
        name,
        contextTokens: smaller === Infinity ? null : smaller,
        createdAtMs: Math.min(createdAtMs, known?.createdAtMs ?? Infinity),
        toy,
        embedsOnly,
        speaksMessages: known?.speaksMessages === true || wire === 'anthropic',
      })
    }
  }
  return models
}
