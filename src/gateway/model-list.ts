/** `GET /v1/models` and `GET /v1/models/{id}`: the models that a key may use. */
import { GristmillError } from '../base/index.ts'
import type { Principal } from '../tenancy/index.ts'
import type { ModelDirectory, ModelEntry } from './types.ts'

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
  if (entry === undefined || !mayUse(principal, name)) {
    throw new GristmillError('model_not_found', { model: name.slice(0, 256), param: 'model' })
  }
  return entry
}

/** The body of the list. */
export function modelList(models: ModelDirectory, principal: Principal): object {
  const data = models.list().filter(({ name }) => mayUse(principal, name))
  return { object: 'list', data: data.map(modelView) }
}

export function modelView({ name, createdAtMs, contextTokens, toy }: ModelEntry): object {
  return {
    id: name,
    object: 'model',
    created: Math.floor(createdAtMs / 1000),
    owned_by: 'gristmill',
    ...(contextTokens !== null && { max_model_len: contextTokens }),
    ...(toy && { toy }),
  }
}
