/**
 * What is read of LiteLLM: its configuration file and the rows of its database, checked once. Only
 * what has an equivalent here, or must be named because it has none, is given a shape.
 */
import { parseDocument } from 'yaml'
import { z } from 'zod'
import { checked } from '../../base/index.ts'

const section = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform((fields) => fields ?? {})

const entry = z.looseObject({
  model_name: z.string(),
  litellm_params: z.looseObject({ model: z.string() }),
  model_info: section,
})

const configShape = z.looseObject({
  model_list: z
    .array(entry)
    .nullish()
    .transform((list) => list ?? []),
  credential_list: z
    .array(z.looseObject({ credential_name: z.string(), credential_values: section }))
    .nullish()
    .transform((list) => list ?? []),
  litellm_settings: section,
  router_settings: section,
  general_settings: section,
  environment_variables: section,
})

export type LiteLlmConfig = z.infer<typeof configShape>
export type ModelEntry = LiteLlmConfig['model_list'][number]

const amount = z.number().nullish()
const limits = {
  max_parallel_requests: amount,
  tpm_limit: amount,
  rpm_limit: amount,
  tpd_limit: amount,
  max_budget: amount,
}
const names = z
  .array(z.string())
  .nullish()
  .transform((list) => list ?? [])
const flag = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false)
const text = z.string().nullish()

const teamRow = z.object({
  ...limits,
  team_id: z.string(),
  team_alias: text,
  models: names,
  blocked: flag,
})
const keyRow = z.object({
  ...limits,
  token: z.string(),
  key_alias: text,
  team_id: text,
  models: names,
  blocked: flag,
  budget_id: text,
  expires: text,
})
const budgetRow = z.object({ ...limits, budget_id: z.string() })
const modelRow = z.object({ model_name: z.string(), blocked: flag })

export type LimitColumns = z.infer<z.ZodObject<typeof limits>>
export type TeamRow = z.infer<typeof teamRow>
export type KeyRow = z.infer<typeof keyRow>

const rowsShape = z.object({
  teams: z.array(teamRow),
  keys: z.array(keyRow),
  budgets: z.array(budgetRow),
  models: z.array(modelRow),
  /** Rows of tables that nothing here is like, by the table's name. */
  others: z.record(z.string(), z.number()),
})

export type LiteLlmRows = z.infer<typeof rowsShape>

/** Rows as the database gave them. @throws GristmillError `invalid_value` */
export const checkedRows = (rows: unknown): LiteLlmRows => checked(rowsShape, rows)

/** @throws Error that says where the text is no YAML, GristmillError `invalid_value` */
export function parseConfig(yaml: string): LiteLlmConfig {
  const document = parseDocument(yaml)
  if (document.errors[0]) throw document.errors[0]
  return checked(configShape, document.toJS() ?? {})
}
