/** `gristmill ledger reconcile`: what a service billed beside the ledger, and variances. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { basename } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { GristmillError } from '../base/index.ts'
import type {
  ReconciliationLineView,
  ReconciliationRequestView,
  ReconciliationView,
} from '../http/index.ts'
import { type CliContext, connect, example, type RemoteFlags, remote, show } from './context.ts'
import { csvRecords } from './csv-records.ts'
import { BadBill, Bill, type BillColumn, type BilledRow, billColumns } from './reconcile-file.ts'
import { type Column, printTable } from './table.ts'
import { count, moment } from './units.ts'
import { between, month } from './values.ts'

const PATH = '/api/ledger/reconciliations'
const DAY_MS = 86_400_000
const classes = ['matched', 'missing_here', 'missing_there', 'price', 'tokens']

interface ReconcileFlags extends RemoteFlags {
  source: string
  name?: string
  period?: { from: string; to: string }
  column?: Map<string, string>
  model?: Map<string, string>
  key?: Map<string, string>
  engine?: string[]
  threshold?: string
}

export function reconcileCommands(group: Command, context: CliContext): void {
  example(
    remote(group.command('reconcile')),
    'ledger reconcile --source openai-november.csv --engine openai --threshold 0.01',
    'ledger reconcile --source focus.csv --column key=SubAccountId --key acct-7=openai',
  )
    .description('compare what a service billed, in its CSV or FOCUS file, with the ledger')
    .requiredOption('--source <file>', 'the file')
    .option('--name <name>', 'what the service is called (default: the name of the file)')
    .option('--period <month>', 'a month in UTC (default: the days of the file)', month)
    .option('--column <ours=theirs>', `another name of ${Object.keys(billColumns).join()}`, pairs)
    .option('--model <theirs=ours>', 'another name of a model', pairs)
    .option('--key <theirs=engine>', 'the engine that has a key of the service', pairs)
    .option('--engine <name...>', 'only work of these engines (default: all that are rented)')
    .option('--threshold <amount>', 'larger differences keep their period open (default: 0)')
    .action((flags: ReconcileFlags) => reconcile(context, flags))
  example(remote(group.command('reconciliations')), 'ledger reconciliations')
    .description('list reconciliations, the newest first')
    .action(async (flags: RemoteFlags) => {
      const rows = await connect(context, flags).all<ReconciliationView>(PATH)
      show(context, flags, rows, () => {
        printTable(context.terminal, rows, columns, 'Nothing was reconciled yet.')
      })
    })
  differencesCommand(group, context)
  varianceCommand(group, context)
}

function differencesCommand(group: Command, context: CliContext): void {
  const { terminal } = context
  example(
    remote(group.command('differences <reconciliation>')),
    'ledger differences 3 --class price',
    'ledger differences 3 --line 12',
  )
    .description('lines of a reconciliation that differ, or the requests behind one')
    .addOption(new Option('--class <class>', 'only of this class').choices(classes))
    .option('--line <number>', 'the requests behind this line', numbered)
    .action(async (id: string, flags: RemoteFlags & { class?: string; line?: number }) => {
      const client = connect(context, flags)
      const path = `${PATH}/${numbered(id)}/lines`
      if (flags.line !== undefined) {
        const requests = `${path}/${flags.line}/requests`
        const rows = await client.all<ReconciliationRequestView>(requests)
        const none = 'The ledger keeps no request of this line.'
        show(context, flags, rows, () => printTable(terminal, rows, requestColumns, none))
        return
      }
      const all = await client.all<ReconciliationLineView>(path, { class: flags.class })
      const isWanted = (line: ReconciliationLineView) => line.class !== 'matched' || flags.class
      const rows = all.filter(isWanted)
      show(context, flags, rows, () => printTable(terminal, rows, lineColumns, 'All is matched.'))
    })
}

function varianceCommand(group: Command, context: CliContext): void {
  example(
    remote(group.command('variance <reconciliation>')),
    'ledger variance 3 --line 12 --reason "credit of the 4th, see mail"',
  )
    .description('book the difference of a line, so that its period can be closed')
    .requiredOption('--line <number>', 'which', numbered)
    .requiredOption('--reason <words>', 'why; it stands on the ledger')
    .action(async (id: string, flags: RemoteFlags & { line: number; reason: string }) => {
      const path = `${PATH}/${numbered(id)}/lines/${flags.line}/variance`
      const { reason } = flags
      const line = await connect(context, flags).post<ReconciliationLineView>(path, { reason })
      show(context, flags, line, () => {
        context.terminal.print(`Booked ${line.difference} of ${line.day}, ${line.model}.`)
      })
    })
}

async function reconcile(context: CliContext, flags: ReconcileFlags): Promise<void> {
  const { terminal } = context
  const { sha256, rows } = await readBill(flags)
  const days = rows.map(({ day }) => day).toSorted()
  const fromDay = flags.period?.from.slice(0, 10) ?? days[0]
  const lastDay = days.at(-1)
  const toDay =
    flags.period?.to.slice(0, 10) ??
    (lastDay && new Date(Date.parse(lastDay) + DAY_MS).toISOString().slice(0, 10))
  const source = flags.name ?? basename(flags.source).replace(/\.[^.]*$/, '')
  const { engine: engines, threshold } = flags
  const asked = { source, sha256, fromDay, toDay, threshold, engines, rows }
  const found = await connect(context, flags).post<ReconciliationView>(PATH, asked)
  show(context, flags, found, () => {
    printTable(terminal, found.classes, classColumns, 'The file and the ledger have nothing.')
    const { id, blocking } = found
    terminal.print(`Reconciliation ${id} of ${fromDay} to ${toDay}, exclusive.`)
    if (found.classes.every((one) => one.class === 'matched')) return
    terminal.note(`See what differs: gristmill ledger differences ${id}`)
    if (blocking === 0) return
    const plural = blocking === 1 ? 'One line keeps' : `${count(blocking)} lines keep`
    const words = `${plural} their period open until booked`
    terminal.note(`${words}: gristmill ledger variance ${id} --line N --reason WHY`)
  })
}

/** @throws GristmillError `invalid_value` where the file cannot be read as a bill */
async function readBill(flags: ReconcileFlags): Promise<{ sha256: string; rows: BilledRow[] }> {
  const hash = createHash('sha256')
  const none = new Map<string, string>()
  const columns = Object.fromEntries(flags.column ?? none) as Partial<Record<BillColumn, string>>
  const mapping = { columns, models: flags.model ?? none, keys: flags.key ?? none }
  let bill: Bill | undefined
  try {
    for await (const record of csvRecords(textOf(flags.source, hash))) {
      if (bill === undefined) bill = new Bill(record, mapping)
      else bill.add(record)
    }
  } catch (error) {
    const { code } = error as { code?: unknown }
    if (!(error instanceof BadBill) && typeof code !== 'string') throw error
    throw unreadable((error as Error).message)
  }
  if (bill === undefined) throw unreadable('it is empty')
  return { sha256: hash.digest('hex'), rows: bill.rows() }
}

async function* textOf(path: string, hash: { update(part: Buffer): unknown }) {
  const decoder = new TextDecoder()
  for await (const part of createReadStream(path) as AsyncIterable<Buffer>) {
    hash.update(part)
    yield decoder.decode(part, { stream: true })
  }
}

const unreadable = (reason: string) =>
  new GristmillError('invalid_value', { param: '--source', reason })

/** `a=b`, as often as it is given. */
function pairs(text: string, before = new Map<string, string>()): Map<string, string> {
  const at = text.lastIndexOf('=')
  if (at <= 0 || at === text.length - 1) throw new InvalidArgumentError('Give NAME=NAME.')
  return before.set(text.slice(0, at), text.slice(at + 1))
}

const numbered = between(1, Number.MAX_SAFE_INTEGER)

const classColumns: Column<ReconciliationView['classes'][number]>[] = [
  { title: 'CLASS', value: (one) => one.class.replace('_', ' ') },
  { title: 'LINES', value: ({ lines }) => count(lines), align: 'right' },
  { title: 'BILLED MORE', value: ({ difference }) => difference, align: 'right' },
]

const columns: Column<ReconciliationView>[] = [
  { title: 'NUMBER', value: ({ id }) => String(id), align: 'right' },
  { title: 'SOURCE', value: ({ source }) => source },
  { title: 'FROM (UTC)', value: ({ fromDay }) => fromDay },
  { title: 'TO', value: ({ toDay }) => toDay },
  {
    title: 'DIFFER',
    value: (one) =>
      count(one.classes.reduce((sum, c) => sum + (c.class === 'matched' ? 0 : c.lines), 0)),
    align: 'right',
  },
  { title: 'KEEP OPEN', value: ({ blocking }) => count(blocking), align: 'right' },
  { title: 'BY', value: ({ actor }) => actor },
  { title: 'AT', value: ({ at }) => moment(at) },
]

const lineColumns: Column<ReconciliationLineView>[] = [
  { title: 'LINE', value: ({ line }) => String(line), align: 'right' },
  { title: 'DAY', value: ({ day }) => day },
  { title: 'MODEL', value: ({ model }) => model },
  { title: 'KEY', value: ({ key }) => key },
  { title: 'CLASS', value: (one) => one.class.replace('_', ' ') },
  { title: 'OUR TOKENS', value: ({ ours }) => (ours ? count(ours.tokens) : ''), align: 'right' },
  {
    title: 'THEIRS',
    value: ({ theirs }) => (theirs?.tokens == null ? '' : count(theirs.tokens)),
    align: 'right',
  },
  { title: 'BILLED MORE', value: ({ difference }) => difference, align: 'right' },
  {
    title: 'BOOKED',
    value: ({ variance, isBlocking }) =>
      variance ? `${variance.actor}: ${variance.reason}` : isBlocking ? 'keeps it open' : '',
  },
]

const requestColumns: Column<ReconciliationRequestView>[] = [
  { title: 'REQUEST', value: ({ id }) => id },
  { title: 'SETTLED', value: ({ settledAt }) => moment(settledAt) },
  { title: 'TENANT', value: ({ tenantId }) => tenantId },
  { title: 'TOKENS', value: ({ tokens }) => count(tokens), align: 'right' },
  { title: 'COST', value: ({ amount }) => amount, align: 'right' },
]
