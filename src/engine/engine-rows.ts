/** The tables of engines and of the keys that they take. */
import type { Queries, Transaction } from '../store/index.ts'
import type { ServiceName } from './services/presets.ts'
import type { EngineProfile } from './types.ts'

export interface EngineRow {
  id: string
  name: string
  url: string
  service: ServiceName | null
  apiVersion: string | null
  cap: number | null
  models: string[] | null
  draining: boolean
  /** True where its name stands for several engines, one for each address. */
  replicas: boolean
  profile: EngineProfile | null
  createdAt: Date
}

export interface KeyRow {
  id: string
  engineId: string
  sealed: Uint8Array
  /** Fingerprint of the key it is encrypted with; null for those of before fingerprints. */
  sealedBy: string | null
  createdAt: Date
}

export async function readEngines(sql: Queries): Promise<EngineRow[]> {
  const rows = await sql<EngineRow[]>`
    select id, name, url, service, api_version as "apiVersion", cap, models, draining, replicas,
           profile,           created_at as "createdAt"
      from engines order by id`
  return [...rows]
}

export async function readKeys(sql: Queries): Promise<KeyRow[]> {
  const rows = await sql<KeyRow[]>`
    select id, engine_id as "engineId", sealed, sealed_by as "sealedBy",
           created_at as "createdAt"
      from engine_keys order by created_at, id`
  return [...rows]
}

export async function insertEngine(sql: Queries, row: EngineRow): Promise<void> {
  await sql`
    insert into engines (id, name, url, service, api_version, cap, models, replicas,
                         profile, created_at)
    values (${row.id}, ${row.name}, ${row.url}, ${row.service}, ${row.apiVersion}, ${row.cap},
            ${json(row.models)}::text::jsonb, ${row.replicas},
            ${json(row.profile)}::text::jsonb, ${row.createdAt})`
}

export async function deleteEngine(sql: Queries, id: string): Promise<void> {
  await sql`delete from engines where id = ${id}`
}

export async function insertKeys(sql: Queries, rows: readonly KeyRow[]): Promise<void> {
  for (const { id, engineId, sealed, sealedBy, createdAt } of rows) {
    await sql`
      insert into engine_keys (id, engine_id, sealed, sealed_by, created_at)
      values (${id}, ${engineId}, ${sealed}, ${sealedBy}, ${createdAt})`
  }
}

export async function deleteKeys(sql: Queries, ids: readonly string[]): Promise<void> {
  for (const id of ids) await sql`delete from engine_keys where id = ${id}`
}

/** Encrypts a key anew. */
export async function resealKey(
  sql: Transaction,
  { id, sealed, sealedBy }: Pick<KeyRow, 'id' | 'sealed' | 'sealedBy'>,
): Promise<void> {
  await sql`update engine_keys set sealed = ${sealed}, sealed_by = ${sealedBy} where id = ${id}`
}

export async function setDraining(sql: Queries, id: string, draining: boolean): Promise<void> {
  await sql`update engines set draining = ${draining} where id = ${id}`
}

export async function noteProfile(sql: Queries, id: string, profile: EngineProfile): Promise<void> {
  await sql`update engines set profile = ${json(profile)}::text::jsonb where id = ${id}`
}

const json = (value: unknown) => (value === null ? null : JSON.stringify(value))
