/** `gristmill ledger statements` and `statement`. */
import { type Command, Option } from 'commander'
import type { StatementDetailView, StatementView } from '../http/index.ts'
import { type CliContext, connect, example, type RemoteFlags, remote, show } from './context.ts'
import { printPdf } from './print-pdf.ts'
import { type Column, printTable } from './table.ts'
import { findTenant } from './tenants.ts'
import type { Terminal } from './terminal.ts'
import { statementNumber } from './values.ts'

interface StatementFlags extends RemoteFlags {
  format?: 'html' | 'csv'
  pdf?: string
}

export function statementCommands(group: Command, context: CliContext): void {
  const { terminal } = context
  example(remote(group.command('statements')), 'ledger statements --tenant Support')
    .description('statements and credit notes, the newest first')
    .option('--tenant <tenant>', 'only of this one, name or id')
    .action(async ({ tenant, ...flags }: RemoteFlags & { tenant?: string }) => {
      const client = connect(context, flags)
      const query = { tenant: tenant && (await findTenant(client, tenant)).id }
      const rows = await client.all<StatementView>('/api/statements', query)
      show(context, flags, rows, () => printStatements(terminal, rows))
    })
  example(
    remote(group.command('statement <number>')),
    'ledger statement 12',
    'ledger statement 12 --pdf statement-12.pdf',
  )
    .description('one statement; as a page, as PDF, or as CSV')
    .addOption(
      new Option('--format <format>', 'instead of text').choices(['html', 'csv']).conflicts('json'),
    )
    .addOption(
      new Option(
        '--pdf <file>',
        'print it into a file; needs Chromium, Chrome or Edge here',
      ).conflicts(['json', 'format']),
    )
    .action(async (given: string, { format, pdf, ...flags }: StatementFlags) => {
      const client = connect(context, flags)
      const path = `/api/statements/${statementNumber(given)}`
      if (pdf !== undefined) {
        const page = await client.open('GET', `${path}?format=html`)
        await printPdf(await page.text(), pdf)
        terminal.print(`Printed ${pdf}.`)
        return
      }
      if (format !== undefined) {
        const response = await client.open('GET', `${path}?format=${format}`)
        terminal.write(await response.text())
        return
      }
      const view = await client.get<StatementDetailView>(path)
      show(context, flags, view, () => tell(terminal, view))
    })
}

export function printStatements(terminal: Terminal, rows: StatementView[]): void {
  printTable(terminal, rows, columns, 'No period is closed. Close one: gristmill ledger close')
}

const columns: Column<StatementView>[] = [
  { title: 'NUMBER', value: ({ number }) => String(number), align: 'right' },
  {
    title: 'KIND',
    value: ({ kind, corrects }) => (kind === 'statement' ? kind : `credit note of ${corrects}`),
  },
  { title: 'TENANT', value: ({ tenantName }) => tenantName },
  { title: 'FROM (UTC)', value: ({ fromAt }) => minute(fromAt) },
  { title: 'TO', value: ({ toAt }) => minute(toAt) },
  { title: 'TOTAL', value: ({ total, currency }) => `${total} ${currency}`, align: 'right' },
  { title: 'TAKEN BACK', value: ({ correctedBy }) => (correctedBy ? `by ${correctedBy}` : '') },
  { title: 'HASH', value: ({ hash }) => hash.slice(0, 12) },
]

/** Periods are of UTC wherever they are read. */
const minute = (iso: string) => iso.slice(0, 16).replace('T', ' ')

function tell(terminal: Terminal, view: StatementDetailView): void {
  printStatements(terminal, [view])
  if (view.content === null) {
    terminal.print(view.reason ?? '')
    return
  }
  const { costs, usage, basis } = view.content
  printTable(terminal, costs, costColumns, 'Nothing of what engines cost.')
  printTable(terminal, usage, usageColumns, 'No request.')
  const words = basis === 'cost' ? 'its share of costs' : 'its use at the price book'
  terminal.note(`The total is ${words}. Signed ${view.signature.slice(0, 16)}…`)
}

type Content = NonNullable<StatementDetailView['content']>

const costColumns: Column<Content['costs'][number]>[] = [
  { title: 'ENGINE', value: ({ engineId }) => engineId },
  { title: 'WHAT FOR', value: ({ kind, cause }) => `${kind} ${cause}`.trim() },
  { title: 'ENGINE SECONDS', value: ({ engineS }) => engineS, align: 'right' },
  { title: 'AMOUNT', value: ({ amount }) => amount, align: 'right' },
]

const usageColumns: Column<Content['usage'][number]>[] = [
  { title: 'MODEL', value: ({ model }) => model },
  { title: 'CLASS', value: ({ serviceClass }) => serviceClass },
  { title: 'REQUESTS', value: ({ requests }) => String(requests), align: 'right' },
  { title: 'CHARGE', value: ({ charge }) => charge, align: 'right' },
]
