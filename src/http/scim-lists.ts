/** Pages of SCIM lists, which count from one, and names that are taken. */
import { GristmillError } from '../base/index.ts'
import type { Queries } from '../store/index.ts'
import type { Actor } from '../tenancy/index.ts'
import type { Filter } from './scim-patch.ts'

export interface ScimPageRequest {
  /** Of the first row, from 1. */
  startIndex: number
  count: number
}

export interface ScimPage<Row> {
  rows: Row[]
  total: number
}

/** People or groups as a directory provisions them. */
export interface Provisioned<Resource, Input> {
  list(filter: Filter | null, page: ScimPageRequest): Promise<ScimPage<Resource>>
  /** @throws GristmillError `not_found` */
  get(id: string): Promise<Resource>
  /** @throws GristmillError `conflict` where its name is taken; `invalid_value` of members */
  create(input: Input, actor: Actor): Promise<Resource>
  /** @throws GristmillError `not_found`, and as `create` */
  replace(id: string, input: Input, actor: Actor): Promise<Resource>
  remove(id: string, actor: Actor): Promise<void>
}

export const pageSql = (sql: Queries, { startIndex, count }: ScimPageRequest) =>
  sql`limit ${count} offset ${startIndex - 1}`

/** @returns what makes PostgreSQL's refusal of a name that is taken ours, and passes others on */
export const isDuplicateName = (kind: string, name: string) => (error: unknown) => {
  if ((error as { code?: unknown }).code !== '23505') throw error
  throw new GristmillError('conflict', { reason: `There is a ${kind} ${name}` }, { cause: error })
}
