/** `gristmill tenant traces`: where traces of the requests of a tenant are sent. */
import type { Command } from 'commander'
import { GristmillError } from '../base/index.ts'
import type { TraceDestinationView } from '../http/index.ts'
import { type CliContext, connect, example, type RemoteFlags, remote, show } from './context.ts'
import { findTenant } from './tenants.ts'

interface TraceFlags extends RemoteFlags {
  to?: string
  header?: string[]
  withPrompts?: true
  remove?: true
}

/** Adds it to `tenant`. */
export function tenantTraceCommand(group: Command, context: CliContext): void {
  const { terminal } = context
  example(
    remote(group.command('traces <tenant>')),
    'tenant traces Support',
    "tenant traces Support --to https://otel.example.org/v1/traces --header 'x-api-key: abc'",
  )
    .description('where traces of its requests are sent besides your collector; or change that')
    .option('--to <url>', 'from now on here (OTLP over HTTP), the whole address')
    .option('--header <name: value>', 'with this header; may be repeated', collected)
    .option('--with-prompts', 'also what its requests ask, in words')
    .option('--remove', 'nowhere from now on')
    .action(async (tenant: string, flags: TraceFlags) => {
      const client = connect(context, flags)
      const { id, name } = await findTenant(client, tenant)
      const path = `/api/tenants/${id}/traces`
      if (flags.remove) {
        await client.delete(path)
        show(context, flags, { id, removed: true }, () =>
          terminal.print(`No traces of ${name} are sent to it any more.`),
        )
        return
      }
      const change = changeOf(flags)
      const view = change
        ? await client.put<TraceDestinationView>(path, change)
        : await client.get<TraceDestinationView>(path)
      show(context, flags, view, () => {
        const { url, headerNames, withPrompts } = view
        terminal.print(
          `Traces of ${name} go to ${url}, ${withPrompts ? 'with' : 'without'} prompts.`,
        )
        if (headerNames.length > 0) terminal.print(`Headers: ${headerNames.join(', ')}.`)
      })
    })
}

const collected = (one: string, before: string[] = []) => [...before, one]

function changeOf({ to: url, header = [], withPrompts }: TraceFlags) {
  if (url !== undefined) {
    return { url, headers: headersOf(header), withPrompts: withPrompts === true }
  }
  if (header.length === 0 && withPrompts === undefined) return undefined
  const reason = 'headers and prompts are set together with the address'
  throw new GristmillError('invalid_value', { param: '--to', reason })
}

function headersOf(given: readonly string[]): Record<string, string> {
  const pairs = given.map((text) => {
    const at = text.indexOf(':')
    if (at < 1) {
      const reason = "it must be written as 'name: value'"
      throw new GristmillError('invalid_value', { param: '--header', reason })
    }
    return [text.slice(0, at).trim().toLowerCase(), text.slice(at + 1).trim()] as const
  })
  return Object.fromEntries(pairs)
}
