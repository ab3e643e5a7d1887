/**
 * People whom a directory knows: what their groups give them, and what becomes of them when groups
 * or rules change. How they sign in is in `oidc-login.ts`.
 */
import { type Clock, GristmillError, newId, type Random } from '../base/index.ts'
import type { Database, Queries } from '../store/index.ts'
import {
  type AccessRule,
  type Actor,
  grantedBy,
  type KnownPerson,
  type Tenancy,
} from '../tenancy/index.ts'
import { type Person, readPerson } from './people.ts'

/** Somebody as an OpenID provider vouches for them. */
export interface DirectoryIdentity {
  issuer: string
  subject: string
  /** In lower case. */
  email: string
  isEmailVerified: boolean
  name: string
  groups: string[]
}

export interface DirectoryOptions {
  database: Database
  clock: Clock
  random: Random
  tenancy: Pick<Tenancy, 'audit' | 'accessRules' | 'suspendSubjects'>
  /** What people call the provider. */
  providerName: string
}

export interface Directory {
  /**
   * The person behind an identity, made at the first time, with what their groups give them now.
   * @throws GristmillError `no_rule_fits`, `account_not_linked`, `account_deactivated`
   */
  enter(identity: DirectoryIdentity, from: string): Promise<Person>
  /** Puts rules in place of those there are; they hold for everybody of the directory at once. */
  changeRules(rules: readonly AccessRule[], actor: Actor): Promise<void>
}

const PROVIDER = 'oidc'
const SYSTEM: Actor = { name: 'directory', from: 'local' }

/** Whether somebody with tokens is known, by issuer and subject. */
export async function knownPerson(sql: Queries, account: string): Promise<KnownPerson | null> {
  const [row] = await sql<{ id: string; state: KnownPerson['state'] }[]>`
    select p.id, p.state from people p join people_accounts a on a.user_id = p.id
    where a.provider_id = ${PROVIDER} and a.account_id = ${account}`
  return row ? { state: row.state, groups: await groupsOf(sql, row.id) } : null
}

/** @param options the resources to work with */
export function directory(options: DirectoryOptions): Directory {
  const { database, tenancy } = options
  return {
    async enter(identity, from) {
      const person = await database.transaction((sql) => enter(sql, options, identity))
      const { email, state } = person
      if (state === 'active') return person
      const code = state === 'deactivated' ? 'account_deactivated' : 'no_rule_fits'
      const detail = { why: code, groups: identity.groups }
      const entry = { action: 'session.refused', subject: person.id, tenantId: null, detail }
      await tenancy.audit.record({ name: `user:${email}`, from }, entry)
      throw new GristmillError(code, { who: email })
    },
    changeRules: (rules, actor) =>
      database.transaction(async (sql) => {
        await tenancy.accessRules.replace(sql, rules, actor)
        const people = await sql<{ id: string }[]>`
          select id from people where origin = 'directory' order by id for update`
        for (const { id } of people) await settleAccess(sql, options, id)
      }),
  }
}

async function enter(
  sql: Queries,
  options: DirectoryOptions,
  identity: DirectoryIdentity,
): Promise<Person> {
  const { clock } = options
  const id = (await linked(sql, identity)) ?? (await link(sql, options, identity))
  const { name, email } = identity
  // Another person may have the address that this one has got.
  const isFree = await sql`select 1 from people where email = ${email} and id <> ${id}`
  await sql`
    update people set name = ${name}, groups = ${JSON.stringify(identity.groups)}::text::jsonb,
      updated_at = ${new Date(clock.nowMs())}
      ${isFree.length === 0 ? sql`, email = ${email}` : sql``}
    where id = ${id}`
  return settleAccess(sql, options, id)
}

const accountOf = ({ issuer, subject }: DirectoryIdentity) => `${issuer} ${subject}`

async function linked(sql: Queries, identity: DirectoryIdentity): Promise<string | undefined> {
  const [account] = await sql<{ id: string }[]>`
    select user_id as id from people_accounts
    where provider_id = ${PROVIDER} and account_id = ${accountOf(identity)}`
  return account?.id
}

interface Linked {
  /** An account of the provider is theirs. */
  isLinked: boolean
}

/** Finds the person by address where that can be trusted, or makes one. */
async function link(
  sql: Queries,
  options: DirectoryOptions,
  identity: DirectoryIdentity,
): Promise<string> {
  const { clock, random, providerName } = options
  const at = new Date(clock.nowMs())
  const { email, name } = identity
  const [known] = await sql<(Pick<Person, 'id' | 'origin' | 'isBreakGlass'> & Linked)[]>`
    select id, origin, is_break_glass as "isBreakGlass", exists (
      select 1 from people_accounts a where a.user_id = people.id
        and a.provider_id = ${PROVIDER}) as "isLinked"
    from people where email = ${email} for update`
  // Some providers vouch for no address: whom they have provisioned is believed to have come, but
  // once, as anybody could say that an address is theirs.
  const isAwaited = known?.origin === 'directory' && !known.isLinked
  const isTrusted = isAwaited || identity.isEmailVerified
  if (known && (known.isBreakGlass || !isTrusted)) {
    throw new GristmillError('account_not_linked', { email, name: providerName })
  }
  const id = known?.id ?? newId('usr', clock, random)
  if (known) {
    // From now on the directory decides, and no password does.
    await sql`update people set origin = 'directory' where id = ${id}`
    await sql`delete from people_accounts where user_id = ${id}`
    await sql`delete from one_time_links where person_id = ${id}`
  } else {
    await sql`
      insert into people (id, name, email, origin, state, created_at, updated_at)
      values (${id}, ${name}, ${email}, 'directory', 'no_rule', ${at}, ${at})`
  }
  await sql`
    insert into people_accounts (id, user_id, account_id, provider_id, created_at, updated_at)
    values (${newId('evt', clock, random)}, ${id}, ${accountOf(identity)}, ${PROVIDER}, ${at},
      ${at})`
  return id
}

/**
 * Gives somebody of the directory what their groups give them by the rules of now; sessions of
 * somebody who has nothing left end. What changed is audited.
 */
export async function settleAccess(
  sql: Queries,
  { tenancy, clock }: Pick<DirectoryOptions, 'tenancy' | 'clock'>,
  id: string,
): Promise<Person> {
  const before = await readPerson(sql, id)
  const groups = await groupsOf(sql, id)
  const granted = grantedBy(await tenancy.accessRules.list(sql), groups)
  const fits = granted === null ? 'no_rule' : 'active'
  const state: Person['state'] = before.state === 'deactivated' ? 'deactivated' : fits
  const { role, tenantIds } = granted ?? before
  await sql`
    update people set role = ${role}, tenant_ids = ${JSON.stringify(tenantIds)}::text::jsonb,
      state = ${state}, updated_at = ${new Date(clock.nowMs())}
    where id = ${id}`
  if (state !== 'active') await endAccess(sql, tenancy, id)
  const after = { role, tenantIds, state }
  const was = { role: before.role, tenantIds: before.tenantIds, state: before.state }
  if (JSON.stringify(after) !== JSON.stringify(was)) {
    const detail = { email: before.email, ...after }
    const entry = { action: 'user.directory', subject: id, tenantId: null, detail }
    await tenancy.audit.record(SYSTEM, entry, sql)
  }
  return { ...before, ...after }
}

/** What the provider said at the last sign-in, and what was provisioned: names and foreign ids. */
async function groupsOf(sql: Queries, id: string): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select jsonb_array_elements_text(groups) as name from people where id = ${id}
    union select g.display_name from directory_groups g
      join directory_members m on m.group_id = g.id where m.person_id = ${id}
    union select g.external_id from directory_groups g
      join directory_members m on m.group_id = g.id
      where m.person_id = ${id} and g.external_id is not null`
  return rows.map(({ name }) => name)
}

/** Ends the sessions of somebody, and what goes on with tokens of theirs. */
export async function endAccess(
  sql: Queries,
  tenancy: Pick<Tenancy, 'suspendSubjects'>,
  id: string,
): Promise<void> {
  await sql`delete from people_sessions where user_id = ${id}`
  const accounts = await sql<{ subject: string }[]>`
    select account_id as subject from people_accounts
    where user_id = ${id} and provider_id = ${PROVIDER}`
  await tenancy.suspendSubjects(
    sql,
    accounts.map(({ subject }) => subject),
  )
}
