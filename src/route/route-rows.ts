/** The table of route versions; it can only grow. */
import type { Queries } from '../store/index.ts'
import type { RouteVersion, RouteVersionHead } from './types.ts'

/** The newest version, or the one that is named. */
export async function readVersion(
  sql: Queries,
  version?: number,
): Promise<RouteVersion | undefined> {
  const [row] = await sql<RouteVersion[]>`
    select version, at, actor, note, routes, guards from route_versions
     ${version === undefined ? sql`` : sql`where version = ${version}`}
     order by version desc limit 1`
  return row
}

/** Newest first, without what they hold. @param before only those below */
export async function readVersions(
  sql: Queries,
  before: number,
  limit: number,
): Promise<RouteVersionHead[]> {
  const rows = await sql<RouteVersionHead[]>`
    select version, at, actor, note from route_versions
     where version < ${before} order by version desc limit ${limit}`
  return [...rows]
}

/** @returns false where somebody else has written that version */
export async function insertVersion(
  sql: Queries,
  { version, at, actor, note, routes, guards }: RouteVersion,
): Promise<boolean> {
  const rows = await sql`
    insert into route_versions (version, at, actor, note, routes, guards)
    values (${version}, ${at}, ${actor}, ${note}, ${JSON.stringify(routes)}::text::jsonb,
      ${JSON.stringify(guards)}::text::jsonb)
    on conflict (version) do nothing returning version`
  return rows.length === 1
}
