/** `gristmill key`: keys are shown once, when they are made. */
import { type Command, Option } from 'commander'
import { serviceClasses } from '../base/index.ts'
import type { KeyCreated, KeyView } from '../http/index.ts'
import {
  type CliContext,
  confirm,
  connect,
  example,
  type RemoteFlags,
  remote,
  show,
} from './context.ts'
import { type LimitFlags, limitsInWords, limitsOf, withLimitOptions } from './limit-options.ts'
import { findProject } from './projects.ts'
import { type Column, printTable } from './table.ts'
import { findTenant } from './tenants.ts'
import { moment } from './units.ts'
import { tenantNames } from './usage.ts'
import { list, span } from './values.ts'

interface KeyFlags extends RemoteFlags, LimitFlags {
  tenant?: string
  project?: string
  account?: string
  name?: string
  scopes?: string[]
  class?: string
  responseCache?: 'on' | 'off'
  /** false: none. */
  tag?: string[] | false
  expires?: number | 'never'
  sha256?: string
  overlap?: number
  yes?: true
}

/** Adds `key …` to the program. */
export function keyCommands(program: Command, context: CliContext): void {
  const group = program.command('key').description('keys: how a tenant proves itself')
  example(
    withNewKeyOptions(remote(group.command('create'))),
    'key create --tenant Support --name "ticket bot" --expires 90d',
  )
    .description('create a key; it is shown this once')
    .action(async (flags: KeyFlags) => {
      const client = connect(context, flags)
      const tenant = await findTenant(client, flags.tenant ?? '')
      const body = await newKeyBody(context, flags, client, tenant.id)
      const created = await client.post<KeyCreated>('/api/keys', body)
      show(context, flags, created, () => tellKey(context, created, `Key of ${tenant.name}:`))
    })
  example(
    withNewKeyOptions(remote(group.command('import'))).requiredOption(
      '--sha256 <hex>',
      'SHA-256 of the whole key, 64 hexadecimal digits',
    ),
    'key import --tenant Support --name moved --sha256 "$(printf %s "$KEY" | sha256sum | cut -c-64)"',
  )
    .description('let a key of another gateway work here, by its hash')
    .action(async (flags: KeyFlags) => {
      const client = connect(context, flags)
      const tenant = await findTenant(client, flags.tenant ?? '')
      const { sha256 } = flags
      const body = { ...(await newKeyBody(context, flags, client, tenant.id)), sha256 }
      const moved = await client.post<KeyView>('/api/keys/import', body)
      show(context, flags, moved, () =>
        context.terminal.print(`The key ${moved.name} (${moved.id}) of ${tenant.name} works now.`),
      )
    })
  example(
    remote(group.command('list')).option('--tenant <tenant>', 'only of this one, name or id'),
    'key list --tenant Support',
  )
    .description('list keys, newest first')
    .action((flags: KeyFlags) => listKeys(context, flags))
  keyChangeCommands(group, context)
}

function keyChangeCommands(group: Command, context: CliContext): void {
  example(
    withKeyOptions(remote(group.command('update <id>'))),
    'key update key_01jd8m3k2v --concurrency 4 --expires never',
  )
    .description('change a key; what is not named stays')
    .action(async (id: string, flags: KeyFlags) => {
      const path = `/api/keys/${encodeURIComponent(id)}`
      const changed = await connect(context, flags).patch<KeyView>(path, keyBody(context, flags))
      const { name, scopes, limits, responseCache, tags } = changed
      const cache = responseCache ? ' It uses the response cache.' : ''
      const tagged = tags.length === 0 ? '' : ` Its tags: ${tags.join(', ')}.`
      show(context, flags, changed, () =>
        context.terminal.print(
          `${name} (${id}) may ${scopes.join(', ')}; limits: ${limitsInWords(limits)}.${cache}${tagged}`,
        ),
      )
    })
  example(remote(group.command('rotate <id>')), 'key rotate key_01jd8m3k2v --overlap 1h')
    .description('give a key a new secret; the old one goes on working for the overlap')
    .option('--overlap <span>', 'how long the old secret works (default: 24h)', span)
    .action(async (id: string, flags: KeyFlags) => {
      const body = flags.overlap === undefined ? {} : { overlapS: flags.overlap }
      const path = `/api/keys/${encodeURIComponent(id)}/rotate`
      const rotated = await connect(context, flags).post<KeyCreated>(path, body)
      show(context, flags, rotated, () => tellKey(context, rotated, 'New secret of'))
    })
  example(remote(group.command('revoke <id>')), 'key revoke key_01jd8m3k2v')
    .description('revoke a key at once and for ever')
    .option('--yes', 'do not ask')
    .action(async (id: string, flags: KeyFlags) => {
      const client = connect(context, flags)
      await confirm(context, flags, `Revoke ${id}? What uses it stops working within a second.`)
      await client.delete(`/api/keys/${encodeURIComponent(id)}`)
      show(context, flags, { id, revoked: true }, () => context.terminal.print(`Revoked ${id}.`))
    })
}

function withKeyOptions(command: Command): Command {
  return withLimitOptions(command)
    .option('--name <name>', 'what it is for')
    .option('--scopes <list>', 'inference, end_users, usage:read, queue:read, admin, scim', list)
    .addOption(
      new Option('--class <class>', 'default class, or "tenant" for the tenant’s').choices([
        ...serviceClasses,
        'tenant',
      ]),
    )
    .addOption(
      new Option('--response-cache <state>', 'answer equal requests from the cache').choices([
        'on',
        'off',
      ]),
    )
    .option('--tag <tag...>', 'tags, which open targets of routes to it')
    .option('--no-tag', 'take its tags away')
    .option('--expires <span>', 'life of the key from now on, such as 90d, or "never"', expiry)
}

function withNewKeyOptions(command: Command): Command {
  return withKeyOptions(command)
    .requiredOption('--tenant <tenant>', 'name or id')
    .option('--project <project>', 'name or id (default: the oldest project of the tenant)')
    .option('--account <id>', 'service account that it belongs to')
}

const expiry = (text: string) => (text === 'never' ? text : span(text))

function keyBody({ clock }: CliContext, flags: KeyFlags): Record<string, unknown> {
  const { name, scopes, expires } = flags
  return {
    name,
    scopes,
    defaultClass: flags.class === 'tenant' ? null : flags.class,
    responseCache: flags.responseCache && flags.responseCache === 'on',
    tags: flags.tag === false ? [] : flags.tag,
    expiresAt:
      typeof expires === 'number'
        ? new Date(clock.nowMs() + expires * 1000).toISOString()
        : expires && null,
    ...limitsOf(flags),
  }
}

async function newKeyBody(
  context: CliContext,
  flags: KeyFlags,
  client: ReturnType<typeof connect>,
  tenantId: string,
): Promise<Record<string, unknown>> {
  const { project } = flags
  const projectId = project && (await findProject(client, tenantId, project)).id
  return { ...keyBody(context, flags), tenantId, projectId, serviceAccountId: flags.account }
}

/** The key alone on standard output, so that `KEY=$(gristmill key create …)` works. */
function tellKey({ terminal }: CliContext, created: KeyCreated, title: string): void {
  terminal.note(`${title} ${created.name} (${created.id}); it is shown only now.`)
  terminal.print(created.key)
}

async function listKeys(context: CliContext, flags: KeyFlags): Promise<void> {
  const client = connect(context, flags)
  const tenant = flags.tenant === undefined ? undefined : await findTenant(client, flags.tenant)
  const rows = await client.all<KeyView>('/api/keys', { tenant: tenant?.id })
  const names = flags.json ? new Map<string, string>() : await tenantNames(client)
  const columns: Column<KeyView>[] = [
    { title: 'TENANT', value: ({ tenantId }) => names.get(tenantId) ?? tenantId },
    { title: 'KEY', value: ({ name }) => name },
    { title: 'ID', value: ({ id }) => id },
    { title: 'BEGINS', value: beginning },
    { title: 'SCOPES', value: ({ scopes }) => scopes.join(', ') },
    { title: 'TAGS', value: ({ tags }) => tags.join(', ') || '–' },
    { title: 'STATE', value: stateInWords },
    { title: 'EXPIRES', value: ({ expiresAt }) => (expiresAt ? moment(expiresAt) : 'never') },
    { title: 'LAST USED', value: ({ lastUsedAt }) => (lastUsedAt ? moment(lastUsedAt) : 'never') },
  ]
  show(context, flags, rows, () =>
    printTable(
      context.terminal,
      rows,
      columns,
      'No keys yet. Create one: gristmill key create --tenant NAME',
    ),
  )
}

function beginning({ hint, subject }: KeyView): string {
  if (subject !== null) return 'tokens'
  return hint === '' ? 'imported' : `${hint}…`
}

function stateInWords({ state, overlapEndsAt }: KeyView): string {
  return overlapEndsAt === null ? state : `${state} (old secret until ${moment(overlapEndsAt)})`
}
