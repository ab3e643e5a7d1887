/** `gristmill usage export`: each settled request as an event, for systems that meter and bill. */
import { type Command, Option } from 'commander'
import { type CliContext, connect, example, type RemoteFlags, remote } from './context.ts'
import { copyBody } from './copy-body.ts'
import { findTenant } from './tenants.ts'
import { time } from './values.ts'

interface ExportFlags extends RemoteFlags {
  from?: string
  to?: string
  tenant?: string
}

/** @param usage the command `usage`, whose own options it has again */
export function usageExportCommand(usage: Command, context: CliContext): void {
  usage.enablePositionalOptions()
  example(
    remote(usage.command('export')),
    'usage export --format cloudevents --from 2026-11-01 --to 2026-12-01 > november.ndjson',
  )
    .description('each settled request as a CloudEvent, one a line')
    .addOption(
      new Option('--format <format>', 'of the events')
        .choices(['cloudevents'])
        .makeOptionMandatory(),
    )
    .option('--from <time>', 'settled from then on (default: 24 hours ago)', time)
    .option('--to <time>', 'settled before then (default: all that is final)', time)
    .option('--tenant <tenant>', 'only of this one, name or id')
    .action(async ({ from, to, tenant, ...flags }: ExportFlags) => {
      const client = connect(context, flags)
      const query = new URLSearchParams({ format: 'ndjson' })
      if (from !== undefined) query.set('from', from)
      if (to !== undefined) query.set('to', to)
      if (tenant !== undefined) query.set('tenant', (await findTenant(client, tenant)).id)
      const path = `/api/usage/events?${query.toString()}`
      await copyBody(context.terminal, await client.open('GET', path))
    })
}
