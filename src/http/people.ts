/** People: who may sign in, with which role and tenants. Sessions are in `login.ts`. */
import { z } from 'zod'
import { type Clock, GristmillError, newId, type Random } from '../base/index.ts'
import type { Database, Queries } from '../store/index.ts'
import {
  type Actor,
  type Page,
  type PageRequest,
  pageOf,
  type Role,
  roles,
  type Tenancy,
} from '../tenancy/index.ts'
import { makeLink, spendLink } from './one-time-links.ts'

export interface Person {
  id: string
  name: string
  email: string
  role: Role
  tenantIds: string[]
  /** local: invited, with a password; directory: their groups decide on role and tenants. */
  origin: 'local' | 'directory'
  /** Of the directory: as told at the last sign-in, or provisioned; empty for local people. */
  groups: string[]
  state: 'active' | 'deactivated' | 'no_rule'
  /** The owner who may use a password though passwords are switched off. */
  isBreakGlass: boolean
  createdAt: Date
}

const name = z
  .string()
  .trim()
  .min(1)
  .max(100)
  .regex(/^[^\p{Cc}]*$/u, 'it may not contain control characters')
const email = z.email().max(200).toLowerCase()
const tenantIds = z.array(z.string().min(1).max(100)).max(200)
export const password = z.string().min(10, 'it must have at least 10 characters').max(128)

export const personInput = z.strictObject({
  name,
  email,
  role: z.enum(roles),
  tenantIds: tenantIds.optional(),
})
export const personChange = z.strictObject({
  name: name.optional(),
  role: z.enum(roles).optional(),
  tenantIds: tenantIds.optional(),
})
export const linkUse = z.strictObject({
  token: z.string().min(1).max(200),
  name: name.optional(),
  email: email.optional(),
  password,
})

export interface People {
  list(page: PageRequest): Promise<Page<Person>>
  /** @throws GristmillError `not_found` */
  get(id: string): Promise<Person>
  /** Whether a password is of use where passwords are switched off. */
  isBreakGlass(email: string): Promise<boolean>
  /** True until there is an owner. */
  isFirstRun(): Promise<boolean>
  /** Adds a person and a one-time link for them. @throws GristmillError `conflict` */
  invite(
    input: z.infer<typeof personInput>,
    actor: Actor,
  ): Promise<{ person: Person; token: string }>
  /** A new link for somebody, such as after a forgotten password. */
  inviteAgain(id: string, actor: Actor): Promise<string>
  /** A link that makes an owner, or gives back an owner's lost access. */
  ownerLink(actor: Actor): Promise<string>
  /** Uses a link up: the person exists with this password afterwards, signed in nowhere. */
  redeem(input: z.infer<typeof linkUse>, from: string): Promise<Person>
  /** @throws GristmillError `conflict` when the last owner would be gone */
  change(id: string, change: z.infer<typeof personChange>, actor: Actor): Promise<Person>
  /** Removes somebody, sessions included. @throws GristmillError `conflict` (last owner) */
  remove(id: string, actor: Actor): Promise<void>
}

export interface PeopleOptions {
  database: Database
  clock: Clock
  random: Random
  audit: Tenancy['audit']
  hashPassword: (password: string) => Promise<string>
  /** Ends sessions and tokens of somebody. */
  endAccess: (sql: Queries, id: string) => Promise<void>
}

/** @param options the resources to work with */
export function people(options: PeopleOptions): People {
  const { database, audit } = options
  /** Runs a change and notes it in the audit log, both or neither. */
  const noted = <T>(work: (sql: Queries) => Promise<{ result: T; note: Note }>): Promise<T> =>
    database.transaction(async (sql) => {
      const { result, note } = await work(sql)
      const { actor, action, subject, detail } = note
      await audit.record(actor, { action, subject, tenantId: null, detail }, sql)
      return result
    })
  return {
    list: (page) => list(database.sql, page),
    get: (id) => readPerson(database.sql, id),
    isBreakGlass: (address) => isBreakGlass(database.sql, address),
    isFirstRun: () => isFirstRun(database.sql),
    invite: (input, actor) =>
      noted(async (sql) => {
        const person = await insert(sql, options, input)
        const token = await makeLink(sql, options, person.id)
        const { id: subject, email: address, role, tenantIds: tenants } = person
        const detail = { email: address, role, tenantIds: tenants }
        return {
          result: { person, token },
          note: { actor, action: 'user.invite', subject, detail },
        }
      }),
    inviteAgain: (id, actor) =>
      noted(async (sql) => {
        const person = await readPerson(sql, id)
        refuseDirectory(person)
        const detail = { email: person.email, again: true }
        const result = await makeLink(sql, options, id)
        return { result, note: { actor, action: 'user.invite', subject: id, detail } }
      }),
    ownerLink: (actor) =>
      noted(async (sql) => {
        const result = await makeLink(sql, options, null)
        return { result, note: { actor, action: 'user.owner-link', subject: 'owner', detail: {} } }
      }),
    async redeem(input, from) {
      // Outside the transaction, because it takes its time.
      const hash = await options.hashPassword(input.password)
      return noted(async (sql) => {
        const person = await redeem(sql, options, input, hash)
        const actor = { name: `user:${person.email}`, from }
        const [action, detail] = ['user.set-password', { role: person.role }]
        return { result: person, note: { actor, action, subject: person.id, detail } }
      })
    },
    change: (id, change, actor) =>
      noted(async (sql) => {
        const result = await changePerson(sql, options, id, change)
        return {
          result,
          note: { actor, action: 'user.change', subject: id, detail: { ...change } },
        }
      }),
    remove: (id, actor) =>
      noted(async (sql) => {
        const person = await readPerson(sql, id)
        await options.endAccess(sql, id)
        await sql`delete from people where id = ${id}`
        await keepOwner(sql, person)
        const detail = { email: person.email }
        return { result: undefined, note: { actor, action: 'user.remove', subject: id, detail } }
      }),
  }
}

interface Note {
  actor: Actor
  action: string
  subject: string
  detail: Record<string, unknown>
}

const select = (sql: Queries) => sql`
  select id, name, email, role, tenant_ids as "tenantIds", origin, state,
    (select coalesce(jsonb_agg(name), '[]') from (
      select jsonb_array_elements_text(people.groups) as name
      union select g.display_name from directory_groups g
        join directory_members m on m.group_id = g.id where m.person_id = people.id
      order by name) as named) as groups,
    is_break_glass as "isBreakGlass", created_at as "createdAt"
  from people`

async function list(sql: Queries, { limit, cursor = '' }: PageRequest): Promise<Page<Person>> {
  const rows = await sql<Person[]>`
    ${select(sql)} where id > ${cursor} order by id limit ${limit + 1}`
  return pageOf([...rows], limit, (row) => row.id)
}

export async function readPerson(sql: Queries, id: string): Promise<Person> {
  const [row] = await sql<Person[]>`${select(sql)} where id = ${id}`
  if (!row) throw new GristmillError('not_found', { kind: 'user', id })
  return row
}

async function isBreakGlass(sql: Queries, address: string): Promise<boolean> {
  const found = await sql`
    select 1 from people where email = ${address.toLowerCase()} and is_break_glass`
  return found.length > 0
}

async function isFirstRun(sql: Queries): Promise<boolean> {
  const owners = await sql`select 1 from people where role = 'owner' limit 1`
  return owners.length === 0
}

async function insert(
  sql: Queries,
  { clock, random }: PeopleOptions,
  input: z.infer<typeof personInput>,
): Promise<Person> {
  const id = newId('usr', clock, random)
  const at = new Date(clock.nowMs())
  const tenants = JSON.stringify(input.tenantIds ?? [])
  const made = await sql`
    insert into people (id, name, email, role, tenant_ids, created_at, updated_at)
    values (${id}, ${input.name}, ${input.email}, ${input.role}, ${tenants}::text::jsonb, ${at},
      ${at})
    on conflict (email) do nothing returning 1`
  if (made.length === 0) {
    throw new GristmillError('conflict', { reason: `There is already a user ${input.email}` })
  }
  return readPerson(sql, id)
}

async function redeem(
  sql: Queries,
  options: PeopleOptions,
  input: z.infer<typeof linkUse>,
  passwordHash: string,
): Promise<Person> {
  const { clock, random } = options
  const link = await spendLink(sql, clock, input.token)
  const person = link.personId
    ? await named(sql, link.personId, input.name)
    : await owner(sql, options, input)
  const { id } = person
  const at = new Date(clock.nowMs())
  await sql`
    insert into people_accounts
      (id, user_id, account_id, provider_id, password, created_at, updated_at)
    values (${newId('evt', clock, random)}, ${id}, ${id}, 'credential', ${passwordHash}, ${at},
      ${at})
    on conflict (provider_id, account_id)
      do update set password = excluded.password, updated_at = excluded.updated_at`
  // Whoever knew the old password is out.
  await sql`delete from people_sessions where user_id = ${id}`
  if (person.role === 'owner') await breakGlass(sql, id, link.kind === 'owner')
  return person
}

async function named(sql: Queries, id: string, newName: string | undefined): Promise<Person> {
  if (newName !== undefined) await sql`update people set name = ${newName} where id = ${id}`
  return readPerson(sql, id)
}

async function owner(
  sql: Queries,
  options: PeopleOptions,
  input: z.infer<typeof linkUse>,
): Promise<Person> {
  for (const param of ['name', 'email'] as const) {
    if (input[param] === undefined) {
      throw new GristmillError('invalid_value', { param, reason: 'an owner needs one' })
    }
  }
  const { email: address = '', name: newName = '' } = input
  const [known] = await sql<{ id: string }[]>`
    update people set role = 'owner', name = ${newName}, origin = 'local', groups = '[]',
      state = 'active'
    where email = ${address} returning id`
  if (known) {
    await sql`delete from people_accounts where user_id = ${known.id}`
    return readPerson(sql, known.id)
  }
  return insert(sql, options, { name: newName, email: address, role: 'owner' })
}

async function changePerson(
  sql: Queries,
  { clock }: PeopleOptions,
  id: string,
  change: z.infer<typeof personChange>,
): Promise<Person> {
  const before = await readPerson(sql, id)
  refuseDirectory(before)
  const { name: newName = before.name, role = before.role } = change
  const tenants = JSON.stringify(change.tenantIds ?? before.tenantIds)
  await sql`
    update people set name = ${newName}, role = ${role}, tenant_ids = ${tenants}::text::jsonb,
      is_break_glass = is_break_glass and ${role} = 'owner',
      updated_at = ${new Date(clock.nowMs())}
    where id = ${id}`
  await keepOwner(sql, before)
  return readPerson(sql, id)
}

/** @throws GristmillError `conflict` where it is not for people to decide on them */
function refuseDirectory({ origin, email: address }: Person): void {
  if (origin === 'local') return
  const reason = `${address} is of the directory, whose groups and rules decide`
  throw new GristmillError('conflict', { reason })
}

/** Makes somebody the owner who may use a password; of an invitation only where nobody is. */
async function breakGlass(sql: Queries, id: string, isOwnersLink: boolean): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('people.owner'))`
  const held = await sql`select 1 from people where is_break_glass`
  if (held.length > 0 && !isOwnersLink) return
  await sql`update people set is_break_glass = false where is_break_glass`
  await sql`update people set is_break_glass = true where id = ${id}`
}

/**
 * After an owner has gone: where it was the one who may use a password, the oldest other one is.
 * The lock makes two owners who remove each other at once wait for one another.
 */
async function keepOwner(sql: Queries, before: Person): Promise<void> {
  if (before.role !== 'owner') return
  await sql`select pg_advisory_xact_lock(hashtext('people.owner'))`
  const owners = await sql`select 1 from people where role = 'owner' limit 1`
  if (owners.length === 0) {
    throw new GristmillError('conflict', { reason: 'There must be at least one owner' })
  }
  const held = await sql`select 1 from people where is_break_glass`
  if (held.length > 0 || !before.isBreakGlass) return
  const next = await sql`
    update people set is_break_glass = true where id = (
      select p.id from people p
      where p.role = 'owner' and p.origin = 'local' and exists (
        select 1 from people_accounts a where a.user_id = p.id and a.password is not null)
      order by p.created_at limit 1) returning 1`
  if (next.length > 0) return
  const reason = 'There must be an owner who can sign in with a password'
  throw new GristmillError('conflict', { reason })
}
