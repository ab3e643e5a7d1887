/** `gristmill engine cost`: what an hour of an engine costs, and from when on. */
import type { Command } from 'commander'
import type { EngineCostView } from '../http/index.ts'
import { type CliContext, connect, example, type RemoteFlags, remote, show } from './context.ts'
import { findEngine } from './engine-find.ts'
import { type Column, printTable } from './table.ts'
import { moment } from './units.ts'
import { amount, time } from './values.ts'

interface SetFlags extends RemoteFlags {
  machine?: string
  energy?: string
  staff?: string
  from?: string
}

/** Adds `engine cost …` to the commands of engines. */
export function engineCostCommands(engines: Command, context: CliContext): void {
  const group = engines.command('cost').description('what an hour of an engine costs')
  example(remote(group.command('show <engine>')), 'engine cost show gpu-1')
    .description('what an engine costs and has cost, the newest first')
    .action(async (name: string, flags: RemoteFlags) => {
      const client = connect(context, flags)
      const { id } = await findEngine(client, name)
      tell(context, flags, await client.get<EngineCostView[]>(`/api/engines/${id}/costs`))
    })
  example(
    remote(group.command('set <engine>')),
    'engine cost set gpu-1 --machine 2.10 --energy 0.35 --staff 0.4',
    'engine cost set gpu-1 --energy 0.41 --from 2027-01-01',
  )
    .description('set it from a minute on; parts that are not named stay as they are')
    .option('--machine <amount>', 'the machine: its rent, or what it loses in value', amount)
    .option('--energy <amount>', 'what it draws', amount)
    .option('--staff <amount>', 'its share of the people who keep it running', amount)
    .option('--from <time>', 'a whole minute (default: the next one)', time)
    .action(async (name: string, { machine, energy, staff, from, ...flags }: SetFlags) => {
      const client = connect(context, flags)
      const { id } = await findEngine(client, name)
      const body = { machine, energy, staff, from }
      tell(context, flags, [await client.post<EngineCostView>(`/api/engines/${id}/costs`, body)])
    })
}

const columns: Column<EngineCostView>[] = [
  { title: 'ENGINE', value: ({ engineName }) => engineName },
  { title: 'FROM', value: ({ fromAt }) => moment(fromAt) },
  { title: 'MACHINE/H', value: ({ machine }) => machine, align: 'right' },
  { title: 'ENERGY/H', value: ({ energy }) => energy, align: 'right' },
  { title: 'STAFF/H', value: ({ staff }) => staff, align: 'right' },
  { title: 'TOTAL/H', value: ({ total }) => total, align: 'right' },
  { title: 'SET BY', value: ({ actor }) => actor },
]

function tell(context: CliContext, flags: RemoteFlags, costs: EngineCostView[]): void {
  const empty = 'No cost is set. Set one: gristmill engine cost set NAME --machine 2.10'
  show(context, flags, costs, () => printTable(context.terminal, costs, columns, empty))
}
