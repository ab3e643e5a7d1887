/**
 * One-time links: a random token in a URL, of which only the hash is stored, that works once and
 * for a while. Nothing here creates people; whoever uses a link up does so in its transaction.
 */
import { createHash } from 'node:crypto'
import { type Clock, GristmillError, type Random } from '../base/index.ts'
import type { Queries } from '../store/index.ts'

export interface OneTimeLink {
  kind: 'owner' | 'invite'
  /** Who is invited; null for `owner`. */
  personId: string | null
  name: string | null
  email: string | null
  expiresAt: Date
}

const OWNER_LINK_MS = 24 * 3_600_000
const INVITE_MS = 7 * 24 * 3_600_000

const hashOf = (token: string) => createHash('sha256').update(token).digest('hex')

/**
 * Makes a link; links for the same purpose that were made before stop working.
 * @param personId who is invited; null makes an owner
 * @returns the token
 */
export async function makeLink(
  sql: Queries,
  { clock, random }: { clock: Clock; random: Random },
  personId: string | null,
): Promise<string> {
  const token = Buffer.from(random.bytes(32)).toString('base64url')
  const nowMs = clock.nowMs()
  const expiresAt = new Date(nowMs + (personId === null ? OWNER_LINK_MS : INVITE_MS))
  await sql`
    delete from one_time_links
    where person_id is not distinct from ${personId} or expires_at < ${new Date(nowMs)}`
  await sql`
    insert into one_time_links (token_sha256, person_id, created_at, expires_at)
    values (${hashOf(token)}, ${personId}, ${new Date(nowMs)}, ${expiresAt})`
  return token
}

/** What an unused link is for. @throws GristmillError `link_invalid` */
export async function readLink(sql: Queries, clock: Clock, token: string): Promise<OneTimeLink> {
  const [row] = await sql<OneTimeLink[]>`
    select case when l.person_id is null then 'owner' else 'invite' end as kind,
      l.person_id as "personId", p.name, p.email, l.expires_at as "expiresAt"
    from one_time_links l left join people p on p.id = l.person_id
    where l.token_sha256 = ${hashOf(token)} and l.used_at is null
      and l.expires_at > ${new Date(clock.nowMs())}`
  if (!row) throw new GristmillError('link_invalid')
  return row
}

/** Uses a link up; of many at once only one succeeds. @throws GristmillError `link_invalid` */
export async function spendLink(sql: Queries, clock: Clock, token: string): Promise<OneTimeLink> {
  const link = await readLink(sql, clock, token)
  const used = await sql`
    update one_time_links set used_at = ${new Date(clock.nowMs())}
    where token_sha256 = ${hashOf(token)} and used_at is null returning 1`
  if (used.length === 0) throw new GristmillError('link_invalid')
  return link
}
