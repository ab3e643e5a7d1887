/** `GET /v1/models` and `GET /v1/models/{id}`: the models that a key may use. */
import { GristmillError } from '../base/index.ts'
import type { Principal } from '../tenancy/index.ts'
import type { ModelDirectory, ModelEntry } from './types.ts'

export const MODELS = '/v1/models'

/** True where the policy names no models, or this one. */
export function mayUse({ policy }: Principal, model: string): boolean {
  return policy.models === null || policy.models.includes(model)
}

/**
 * The entry of a model the key may use.
 * @throws GristmillError `model_not_found`, also where it exists but is not for this key
 */
export function modelFor(models: ModelDirectory, principal: Principal, name: string): ModelEntry {
  const entry = models.find(name)
  if (entry === undefined || !(mayUse(principal, name) || mayUse(principal, entry.name))) {
    throw new GristmillError('model_not_found', { model: name.slice(0, 256), param: 'model' })
  }
  return entry
}

/**
 * The answer at a path below `/v1/models`.
 * @throws GristmillError `model_not_found`
 */
export function modelsAt(
  path: string,
  models: ModelDirectory,
  principal: Principal,
  isAnthropic: boolean,
): Buffer {
  const name = path === MODELS ? undefined : decoded(path.slice(MODELS.length + 1))
  return Buffer.from(JSON.stringify(modelAnswer(models, principal, name, isAnthropic)))
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch (error) {
    if (error instanceof URIError) return segment
    throw error
  }
}

/**
 * The answer to `GET /v1/models`, or to `GET /v1/models/{name}`.
 * @param isAnthropic whose shape it has; Anthropic's list is all on one page
 * @throws GristmillError `model_not_found`
 */
function modelAnswer(
  models: ModelDirectory,
  principal: Principal,
  name: string | undefined,
  isAnthropic: boolean,
): object {
  const view = isAnthropic ? anthropicView : openAiView
  if (name !== undefined) return view(modelFor(models, principal, name))
  const entries = models.list().filter((entry) => mayUse(principal, entry.name))
  const data = entries.map(view)
  if (!isAnthropic) return { object: 'list', data }
  const [first, last] = [entries[0], entries.at(-1)]
  return { data, has_more: false, first_id: first?.name ?? null, last_id: last?.name ?? null }
}

function openAiView({ name, createdAtMs, contextTokens, toy, embedsOnly }: ModelEntry): object {
  return {
    id: name,
    object: 'model',
    created: Math.floor(createdAtMs / 1000),
    owned_by: 'gristmill',
    ...(contextTokens !== null && { max_model_len: contextTokens }),
    ...(toy && { toy }),
    ...(embedsOnly && { embeds_only: true }),
  }
}

function anthropicView({ name, createdAtMs, contextTokens, deprecation }: ModelEntry): object {
  return {
    type: 'model',
    id: name,
    display_name: name,
    created_at: new Date(createdAtMs).toISOString(),
    max_input_tokens: contextTokens,
    max_tokens: contextTokens,
    lifecycle: deprecation ? 'deprecated' : 'active',
    deprecated_at: null,
    retires_at: deprecation ? `${deprecation.date}T00:00:00Z` : null,
    line: null,
    capabilities: null,
  }
}
