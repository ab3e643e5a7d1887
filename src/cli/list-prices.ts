/** `gristmill price list-prices`: what closed services charge by their price pages, and its age. */
import type { Command } from 'commander'
import type { ListPriceListView, ListPriceView } from '../http/index.ts'
import { type CliContext, connect, example, type RemoteFlags, remote, show } from './context.ts'
import { listPricesAsYaml, readListPriceFile } from './price-file.ts'
import { type Column, printTable } from './table.ts'
import { moment } from './units.ts'

const PATH = '/api/list-prices'
const COMMAND = 'price list-prices'

/** Adds `list-prices …` to the group of `price`. */
export function listPriceCommands(prices: Command, context: CliContext): void {
  const group = prices
    .command('list-prices')
    .description('what closed services charge by their public price pages, to compare with')
  readList(group, context)
  replaceList(group, context)
}

function readList(group: Command, context: CliContext): void {
  const { terminal } = context
  example(remote(group.command('show')), `${COMMAND} show`)
    .description('list them, with the day on which each was read')
    .action(async (flags: RemoteFlags) => {
      const list = await connect(context, flags).get<ListPriceListView>(PATH)
      show(context, flags, list, () => {
        printTable(terminal, list.prices, columns, 'No list prices.')
        terminal.note('A million tokens each. The source of each is in --json and in `export`.')
        tell(context, list)
      })
    })
  example(remote(group.command('export')), `${COMMAND} export > list.yaml`)
    .description('print them as YAML, as `import` takes them')
    .action(async (flags: RemoteFlags) => {
      const list = await connect(context, flags).get<ListPriceListView>(PATH)
      show(context, flags, list, () => terminal.print(listPricesAsYaml(list).trimEnd()))
    })
}

function replaceList(group: Command, context: CliContext): void {
  interface Flags extends RemoteFlags {
    note?: string
  }
  const put = async (prices: unknown[] | null, { note, ...flags }: Flags) => {
    const list = await connect(context, flags).put<ListPriceListView>(PATH, { prices, note })
    show(context, flags, list, () => tell(context, list))
  }
  example(remote(group.command('import <file>')), `${COMMAND} import list.yaml --note "of May"`)
    .description('put the prices of a YAML or JSON file in their place (- reads standard input)')
    .option('--note <words>', 'where they are from')
    .action((file: string, flags: Flags) => put(readListPriceFile(file), flags))
  example(remote(group.command('reset')), `${COMMAND} reset`)
    .description('go back to the list that comes with the program')
    .option('--note <words>', 'why')
    .action((flags: Flags) => put(null, flags))
}

function tell({ terminal }: CliContext, list: ListPriceListView): void {
  const { version, prices, at, actor, outdated, daysMax } = list
  const whose =
    version === null
      ? 'the list that comes with the program'
      : `list ${version}, which ${actor} gave on ${moment(at)}`
  terminal.note(`${prices.length} prices: ${whose}.`)
  if (outdated === 0) return
  terminal.note(`Warning: ${outdated} of them were read more than ${daysMax} days ago.`)
}

const columns: Column<ListPriceView>[] = [
  { title: 'PROVIDER', value: ({ provider }) => provider },
  { title: 'MODEL', value: ({ model }) => model },
  { title: 'INPUT', value: ({ input }) => input, align: 'right' },
  { title: 'CACHED', value: ({ cachedInput }) => cachedInput ?? '–', align: 'right' },
  { title: 'OUTPUT', value: ({ output }) => output, align: 'right' },
  { title: 'CURRENCY', value: ({ currency }) => currency },
  { title: 'AS OF', value: ({ asOf }) => asOf },
  {
    title: 'AGE',
    value: ({ ageDays, isOutdated }) => `${ageDays} days${isOutdated ? ', outdated' : ''}`,
    align: 'right',
  },
  { title: 'NOTE', value: ({ note }) => note ?? '' },
]
