/** The models that engines serve, or have served while they are away, each once. */
import type { EngineProfile } from './types.ts'

export interface RegisteredModel {
  name: string
  contextTokens: number | null
  createdAtMs: number
  toy: boolean
}

/** @param engines in the order in which they were added */
export function registeredModels(
  engines: readonly { profile: EngineProfile; createdAtMs: number }[],
): Map<string, RegisteredModel> {
  const models = new Map<string, RegisteredModel>()
  for (const { profile, createdAtMs } of engines) {
    for (const { name, contextTokens, toy } of profile.models) {
      const known = models.get(name)
      const smaller = Math.min(known?.contextTokens ?? Infinity, contextTokens ?? Infinity)
      models.set(name, {
        name,
        contextTokens: smaller === Infinity ? null : smaller,
        createdAtMs: Math.min(createdAtMs, known?.createdAtMs ?? Infinity),
        toy,
      })
    }
  }
  return models
}
