/** `gristmill price`: what work is charged, from when on, for whom. */
import { type Command, Option } from 'commander'
import { serviceClasses } from '../base/index.ts'
import type { PriceBookView, PriceView } from '../http/index.ts'
import { type CliContext, connect, example, type RemoteFlags, remote, show } from './context.ts'
import { listPriceCommands } from './list-prices.ts'
import { pricesAsYaml, readPriceFile } from './price-file.ts'
import { type Column, printTable } from './table.ts'
import { moment } from './units.ts'
import { time } from './values.ts'

const PATH = '/api/prices'

interface PriceFlags extends RemoteFlags {
  model?: string
  class?: string
  plan?: string
  from?: string
  end?: true
  input?: string
  cachedInput?: string
  cacheWrite?: string
  output?: string
  reasoning?: string
  embedding?: string
  request?: string
  engineSecond?: string
  hitShare?: string
  note?: string
}

/** Adds `price …` to the program. */
export function priceCommands(program: Command, context: CliContext): void {
  const group = program.command('price').description('prices: what work is charged, and from when')
  readPrices(group, context)
  setPrice(group, context)
  importPrices(group, context)
  listPriceCommands(group, context)
}

function readPrices(group: Command, context: CliContext): void {
  const { terminal } = context
  example(remote(group.command('list')), 'price list', 'price list --all')
    .description('list the prices that hold or are to come')
    .option('--all', 'those before as well')
    .action(async ({ all, ...flags }: RemoteFlags & { all?: true }) => {
      const book = await connect(context, flags).get<PriceBookView>(PATH)
      const prices = all ? book.prices : book.prices.filter(({ state }) => state !== 'past')
      show(context, flags, { ...book, prices }, () => {
        printTable(terminal, prices, columns, 'No prices: nothing is charged.')
        terminal.note(`Tokens by the million, in ${book.currency}.`)
      })
    })
  example(remote(group.command('export')), 'price export > prices.yaml')
    .description('print the prices that hold or are to come as YAML, as `price import` takes them')
    .action(async (flags: RemoteFlags) => {
      const book = await connect(context, flags).get<PriceBookView>(PATH)
      show(context, flags, book, () => terminal.print(pricesAsYaml(book).trimEnd()))
    })
}

function setPrice(group: Command, context: CliContext): void {
  const amounts: [string, string][] = [
    ['--input <amount>', 'a million prompt tokens'],
    ['--cached-input <amount>', 'those out of a prefix cache (default: as input)'],
    ['--cache-write <amount>', 'those that a service was paid to keep (default: as input)'],
    ['--output <amount>', 'a million output tokens'],
    ['--reasoning <amount>', 'those that are reasoning (default: as output)'],
    ['--embedding <amount>', 'those that are embedded (default: as input)'],
    ['--request <amount>', 'a request that has tokens'],
    ['--engine-second <amount>', 'a second on an engine'],
    ['--hit-share <share>', 'share that a hit in the response cache is charged, 0 to 1'],
  ]
  const command = example(
    remote(group.command('set')),
    'price set --model small --input 0.15 --output 0.60',
    'price set --model small --plan partner --input 0.10 --output 0.40 --from 2027-01-01',
    'price set --model small --plan partner --end',
  )
    .description('add a price; the one before it stays in the book')
    .option('--model <name>', 'model or route (default: any)')
    .addOption(new Option('--class <class>', 'class (default: any)').choices(serviceClasses))
    .option('--plan <name>', 'for tenants with this price plan (default: everybody)')
    .option('--from <time>', 'when it begins to hold (default: a second from now)', time)
    .option('--end', 'end it instead, so that a less particular one holds')
    .option('--note <words>', 'what it is for')
  for (const [flags, description] of amounts) command.option(flags, description)
  command.action(async ({ from, end, note, class: serviceClass, ...flags }: PriceFlags) => {
    const { json, url, apiKey, home, ...price } = flags
    const remoteFlags = { json, url, apiKey, home } as RemoteFlags
    const given = { ...price, serviceClass, effectiveAt: from, ends: end }
    const body = { prices: [given], note }
    const client = connect(context, remoteFlags)
    const { added } = await client.post<{ added: PriceView[] }>(PATH, body)
    show(context, remoteFlags, added, () => tellAdded(context, added))
  })
}

function importPrices(group: Command, context: CliContext): void {
  example(remote(group.command('import <file>')), 'price import prices.yaml --note "list of May"')
    .description('add the prices of a YAML or JSON file (- reads standard input)')
    .option('--note <words>', 'what they are for')
    .action(async (file: string, { note, ...flags }: RemoteFlags & { note?: string }) => {
      const client = connect(context, flags)
      const { currency } = await client.get<PriceBookView>(PATH)
      const prices = readPriceFile(file, currency)
      const { added } = await client.post<{ added: PriceView[] }>(PATH, { prices, note })
      show(context, flags, added, () => tellAdded(context, added))
    })
}

function tellAdded({ terminal }: CliContext, added: readonly PriceView[]): void {
  if (added.length === 0) {
    terminal.print('Nothing was added: that holds already.')
    return
  }
  for (const { version, model, effectiveAt, rates } of added) {
    const what = rates === null ? 'ends the price for' : 'is the price for'
    const whom = model === '*' ? 'any model' : model
    terminal.print(`Version ${version} ${what} ${whom} from ${moment(effectiveAt)} on.`)
  }
}

const amount = (title: string, name: keyof NonNullable<PriceView['rates']>): Column<PriceView> => ({
  title,
  value: ({ rates }) => rates?.[name] ?? '–',
  align: 'right',
})

const columns: Column<PriceView>[] = [
  { title: 'VERSION', value: ({ version }) => String(version), align: 'right' },
  { title: 'MODEL', value: ({ model }) => (model === '*' ? 'any' : model) },
  { title: 'CLASS', value: ({ serviceClass }) => serviceClass ?? 'any' },
  { title: 'PLAN', value: ({ plan }) => plan ?? 'any' },
  { title: 'FROM', value: ({ effectiveAt }) => moment(effectiveAt) },
  { title: 'STATE', value: ({ state, rates }) => (rates === null ? `${state}, none` : state) },
  amount('INPUT', 'input'),
  amount('CACHED', 'cachedInput'),
  amount('OUTPUT', 'output'),
  amount('EMBEDDING', 'embedding'),
  amount('REQUEST', 'request'),
  amount('ENGINE SECOND', 'engineSecond'),
  { title: 'NOTE', value: ({ note }) => note },
]
