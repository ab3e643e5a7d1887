/** `gristmill usage` and `gristmill queue`: what was used, and who waits and why. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { QueueView, TenantView, UsageRow } from '../http/index.ts'
import { type AdminClient, ServerError } from './client.ts'
import { type CliContext, connect, example, type RemoteFlags, remote, show } from './context.ts'
import { copyBody } from './copy-body.ts'
import { type Column, printTable } from './table.ts'
import { findTenant } from './tenants.ts'
import { count, duration, moment, money } from './units.ts'
import { usageExportCommand } from './usage-export.ts'
import { list, time } from './values.ts'

interface UsageFlags extends RemoteFlags {
  from?: string
  to?: string
  by: string[]
  tenant?: string
  csv?: true
}

const DAY_MS = 86_400_000
const GROUPS = ['hour', 'day', 'tenant', 'project', 'key', 'model', 'class']

function groups(text: string): string[] {
  const names = list(text)
  if (names.every((name) => GROUPS.includes(name))) return names
  throw new InvalidArgumentError(`Give some of ${GROUPS.join(', ')}.`)
}

/** Adds `usage` to the program. */
export function usageCommand(program: Command, context: CliContext): void {
  const usageGroup = program.command('usage')
  usageExportCommand(usageGroup, context)
  example(
    remote(usageGroup),
    'usage --by tenant,model',
    'usage --from 2026-11-01 --by hour,tenant --csv > november.csv',
  )
    .description('what was used, from the ledger')
    .option('--from <time>', 'begin (default: 24 hours ago)', time)
    .option('--to <time>', 'end (default: now)', time)
    .option('--by <list>', GROUPS.join(', '), groups, ['tenant', 'model'])
    .option('--tenant <tenant>', 'only this one, name or id')
    .addOption(new Option('--csv', 'print CSV').conflicts('json'))
    .action((flags: UsageFlags) => usage(context, flags))
}

async function usage(context: CliContext, flags: UsageFlags): Promise<void> {
  const client = connect(context, flags)
  const nowMs = context.clock.nowMs()
  const query = {
    from: flags.from ?? new Date(nowMs - DAY_MS).toISOString(),
    to: flags.to ?? new Date(nowMs).toISOString(),
    groupBy: flags.by.join(','),
    tenant: flags.tenant && (await findTenant(client, flags.tenant)).id,
  }
  if (flags.csv) return copyCsv(context, client, query)
  const rows = await client.all<UsageRow>('/api/usage', query)
  const names = flags.json ? new Map<string, string>() : await tenantNames(client)
  show(context, flags, rows, () => {
    context.terminal.note(`Usage from ${moment(query.from)} to ${moment(query.to)}`)
    const columns = columnsBy(flags.by, names)
    printTable(context.terminal, rows, columns, 'Nothing was used in this time.')
  })
}

async function copyCsv(
  { terminal }: CliContext,
  client: AdminClient,
  query: Record<string, string | undefined>,
): Promise<void> {
  const given = Object.entries(query).filter((entry): entry is [string, string] => !!entry[1])
  const path = `/api/usage?${new URLSearchParams(given).toString()}`
  await copyBody(terminal, await client.open('GET', path, { headers: { accept: 'text/csv' } }))
}

function columnsBy(by: string[], names: Map<string, string>): Column<UsageRow>[] {
  const groups: Record<string, Column<UsageRow>> = {
    hour: { title: 'HOUR', value: ({ hour }) => moment(hour) },
    day: { title: 'DAY', value: ({ day }) => `${day}` },
    tenant: {
      title: 'TENANT',
      value: ({ tenantId }) => names.get(tenantId ?? '') ?? `${tenantId}`,
    },
    project: { title: 'PROJECT', value: ({ projectId }) => `${projectId}` },
    key: { title: 'KEY', value: ({ keyId }) => `${keyId}` },
    model: { title: 'MODEL', value: ({ model }) => `${model}` },
    class: { title: 'CLASS', value: ({ serviceClass }) => `${serviceClass}` },
  }
  const number = (title: string, value: (row: UsageRow) => string): Column<UsageRow> => ({
    title,
    value,
    align: 'right',
  })
  return [
    ...by.flatMap((name) => groups[name] ?? []),
    number('REQUESTS', ({ requests }) => count(requests)),
    number('CUT', ({ cut, recovered }) => count(cut + recovered)),
    number('INPUT TOKENS', ({ inputTokens }) => count(inputTokens)),
    number('OF THEM CACHED', ({ cachedTokens }) => count(cachedTokens)),
    number('OUTPUT TOKENS', ({ outputTokens }) => count(outputTokens)),
    number('ENGINE TIME', ({ engineMs }) => duration(engineMs)),
    number('QUEUE TIME', ({ queueMs }) => duration(queueMs)),
    number('RENTED', ({ rented }) => count(rented)),
    number('CACHE HITS', ({ hits }) => count(hits)),
    number('RENT', ({ spendNanos }) => money(spendNanos)),
    number('CHARGED', ({ chargeNanos }) => money(chargeNanos)),
  ]
}

/** Adds `queue` to the program. */
export function queueCommand(program: Command, context: CliContext): void {
  example(remote(program.command('queue')), 'queue')
    .description('who waits, at which position and why')
    .action(async (flags: RemoteFlags) => {
      const client = connect(context, flags)
      const queue = await client.get<QueueView>('/api/queue')
      const names = flags.json ? new Map<string, string>() : await tenantNames(client)
      show(context, flags, queue, () => {
        printTable(context.terminal, queue.own, queueColumns(names), 'Nobody waits.')
        if (queue.othersWaiting === 0) return
        context.terminal.note(`${count(queue.othersWaiting)} requests of others wait as well.`)
      })
    })
}

type Waiting = QueueView['own'][number]

function queueColumns(names: Map<string, string>): Column<Waiting>[] {
  return [
    { title: 'TENANT', value: ({ tenantId }) => names.get(tenantId) ?? tenantId },
    { title: 'CLASS', value: ({ serviceClass }) => serviceClass },
    { title: 'MODEL', value: ({ model }) => model },
    { title: 'WAITED', value: ({ waitedMs }) => duration(waitedMs), align: 'right' },
    { title: 'OWN AHEAD', value: ({ aheadOwn }) => count(aheadOwn), align: 'right' },
    { title: 'OTHERS AHEAD', value: ({ aheadOthers }) => count(aheadOthers), align: 'right' },
    { title: 'EXPECTED', value: ({ expectedWaitMs }) => duration(expectedWaitMs), align: 'right' },
    { title: 'WHY', value: ({ why }) => why },
  ]
}

/** Names of the tenants within reach by id; a key that may not see them sees ids. */
export async function tenantNames(client: AdminClient): Promise<Map<string, string>> {
  const tenants = await client.all<TenantView>('/api/tenants').catch((error: unknown) => {
    if (error instanceof ServerError && error.status === 403) return []
    throw error
  })
  return new Map(tenants.map(({ id, name }) => [id, name]))
}
