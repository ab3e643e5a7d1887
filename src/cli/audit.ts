/** `gristmill audit`: what was changed by whom, as a list and as an export, and if it is whole. */
import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Command } from 'commander'
import { GristmillError } from '../base/index.ts'
import type { AuditCheckView, AuditView } from '../http/index.ts'
import {
  type CliContext,
  connect,
  ExitWith,
  example,
  type RemoteFlags,
  remote,
  show,
} from './context.ts'
import { type Column, printTable } from './table.ts'
import { findTenant } from './tenants.ts'
import { moment } from './units.ts'
import { between } from './values.ts'

/** Adds `audit` to the program. */
export function auditCommand(program: Command, context: CliContext): void {
  interface AuditFlags extends RemoteFlags {
    tenant?: string
    action?: string
    last: number
  }
  const group = program.command('audit')
  example(remote(group), 'audit --action key. --last 20')
    .description('who changed what, newest first')
    .option('--tenant <tenant>', 'only about this one, name or id')
    .option('--action <prefix>', 'only actions that begin so')
    .option('--last <n>', 'how many', between(1, 100_000), 50)
    .action(async (flags: AuditFlags) => {
      const client = connect(context, flags)
      const tenant = flags.tenant && (await findTenant(client, flags.tenant)).id
      const rows: AuditView[] = []
      const query = { tenant, action: flags.action, limit: Math.min(200, flags.last) }
      for await (const row of client.rows<AuditView>('/api/audit', query)) {
        rows.push(row)
        if (rows.length === flags.last) break
      }
      show(context, flags, rows, () =>
        printTable(context.terminal, rows, auditColumns, 'Nothing was changed yet.'),
      )
    })
  exportCommand(group, context)
  checkCommand(group, context)
}

const auditColumns: Column<AuditView>[] = [
  { title: 'WHEN', value: ({ at }) => moment(at) },
  { title: 'WHO', value: ({ actor }) => actor },
  { title: 'WHAT', value: ({ action }) => action },
  { title: 'SUBJECT', value: ({ subject }) => subject },
  { title: 'FROM', value: ({ from }) => from },
]

function exportCommand(group: Command, context: CliContext): void {
  interface ExportFlags extends RemoteFlags {
    tenant?: string
    action?: string
    after?: number
    output?: string
  }
  example(
    remote(group.command('export')),
    'audit export --output audit.jsonl',
    'audit export --after 1200 >> audit.jsonl',
  )
    .description('the whole log as lines of JSON, oldest first, with their links in the chain')
    .option('--tenant <tenant>', 'only about this one, name or id')
    .option('--action <prefix>', 'only actions that begin so')
    .option('--after <seq>', 'only rows after this link', between(0, Number.MAX_SAFE_INTEGER))
    .option('--output <file>', 'file to write (default: standard output)')
    .action(async (flags: ExportFlags) => {
      const client = connect(context, flags)
      const tenant = flags.tenant && (await findTenant(client, flags.tenant)).id
      const query = new URLSearchParams()
      const asked = { tenant, action: flags.action, after: flags.after }
      for (const [name, value] of Object.entries(asked)) {
        if (value !== undefined) query.set(name, String(value))
      }
      const { body } = await client.open('GET', `/api/audit/export?${query.toString()}`)
      if (body === null) return
      if (flags.output === undefined) {
        for await (const text of body.pipeThrough(new TextDecoderStream())) {
          context.terminal.write(text)
        }
      } else await pipeline(Readable.fromWeb(body), createWriteStream(flags.output))
    })
}

function checkCommand(group: Command, context: CliContext): void {
  const { terminal } = context
  interface VerifyFlags extends RemoteFlags {
    expect?: string
  }
  example(
    remote(group.command('verify')),
    'audit verify',
    'audit verify --expect 1200:9f86d081884c7d65…',
  )
    .description('whether no row was changed, taken out or put in; ends with 1 where one was')
    .option('--expect <seq:hash>', 'a link that was noted earlier, which must still be there')
    .action(async (flags: VerifyFlags) => {
      const client = connect(context, flags)
      const found = await client.get<AuditCheckView>('/api/audit/check')
      const expected = flags.expect && (await whyUnexpected(client, flags.expect))
      const broken = found.broken ?? (expected || null)
      show(context, flags, { ...found, broken }, () => {
        if (broken !== null) {
          const { seq, auditId, reason } = broken
          const where = seq === null ? `Row ${auditId}` : `Link ${seq} (row ${auditId ?? 'gone'})`
          terminal.print(`${where}: ${reason}.`)
          return
        }
        const { seq, hash } = found.head ?? { seq: 0, hash: 'none' }
        terminal.print(`The chain of ${found.rows} rows is whole. Its last link is ${seq}:${hash}`)
        terminal.note('Keep that elsewhere: --expect finds a log that was written anew.')
      })
      if (broken !== null) throw new ExitWith(1)
    })
}

/** A link that was noted earlier is no longer there. */
async function whyUnexpected(
  client: ReturnType<typeof connect>,
  expected: string,
): Promise<AuditCheckView['broken']> {
  const [, digits, hash] = /^(\d+):([0-9a-f]{64})$/.exec(expected) ?? []
  if (digits === undefined) {
    const reason = 'it is a number, a colon and 64 hexadecimal digits'
    throw new GristmillError('invalid_value', { param: '--expect', reason })
  }
  const seq = Number(digits)
  const abort = new AbortController()
  const path = `/api/audit/export?after=${seq - 1}`
  const { body } = await client.open('GET', path, { signal: abort.signal })
  let text = ''
  for await (const piece of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += piece
    if (text.includes('\n')) break
  }
  abort.abort()
  const line =
    text === '' ? null : (JSON.parse(text.split('\n')[0] ?? '') as { seq: number; hash: string })
  if (line?.seq === seq && line.hash === hash) return null
  return { seq, auditId: null, reason: 'it is another than was expected' }
}
