/** The table of engines. */
import type { Queries } from '../store/index.ts'
import type { EngineProfile } from './types.ts'

export interface EngineRow {
  id: string
  name: string
  url: string
  apiKey: Uint8Array | null
  cap: number | null
  models: string[] | null
  draining: boolean
  profile: EngineProfile | null
  createdAt: Date
}

export async function readEngines(sql: Queries): Promise<EngineRow[]> {
  const rows = await sql<EngineRow[]>`
    select id, name, url, api_key as "apiKey", cap, models, draining, profile,
           created_at as "createdAt"
      from engines order by id`
  return [...rows]
}

export async function insertEngine(sql: Queries, row: EngineRow): Promise<void> {
  await sql`
    insert into engines (id, name, url, api_key, cap, models, profile, created_at)
    values (${row.id}, ${row.name}, ${row.url}, ${row.apiKey}, ${row.cap},
            ${json(row.models)}::text::jsonb, ${json(row.profile)}::text::jsonb, ${row.createdAt})`
}

export async function deleteEngine(sql: Queries, id: string): Promise<void> {
  await sql`delete from engines where id = ${id}`
}

export async function setDraining(sql: Queries, id: string, draining: boolean): Promise<void> {
  await sql`update engines set draining = ${draining} where id = ${id}`
}

export async function noteProfile(sql: Queries, id: string, profile: EngineProfile): Promise<void> {
  await sql`update engines set profile = ${json(profile)}::text::jsonb where id = ${id}`
}

const json = (value: unknown) => (value === null ? null : JSON.stringify(value))
