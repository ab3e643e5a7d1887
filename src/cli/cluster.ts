/** `gristmill cluster status`: the gateways that share a database, and who schedules. */
import type { Command } from 'commander'
import type { ClusterGatewayView, ClusterTakeoverView, ClusterView } from '../http/index.ts'
import { type CliContext, connect, example, type RemoteFlags, remote, show } from './context.ts'
import { type Column, printTable } from './table.ts'
import { count, duration, moment } from './units.ts'

const TAKEOVERS_SHOWN = 5

export function clusterCommand(program: Command, context: CliContext): void {
  const group = program.command('cluster').description('gateways that share a database')
  const { terminal } = context
  example(remote(group.command('status')), 'cluster status')
    .description('gateways, who schedules since when, and who took over before')
    .action(async (flags: RemoteFlags) => {
      const view = await connect(context, flags).get<ClusterView>('/api/cluster')
      show(context, flags, view, () => {
        if (!view.isShared) {
          terminal.print('This gateway is alone on its database.')
          return
        }
        terminal.print(leaseInWords(view))
        printTable(terminal, view.gateways, gatewayColumns, 'No gateway gives a sign of life.')
        terminal.print('')
        const { takeovers } = view
        printTable(terminal, takeovers.slice(0, TAKEOVERS_SHOWN), takeoverColumns, '')
      })
    })
}

function leaseInWords({ lease, gateways, heldPlaces }: ClusterView): string {
  if (lease === null || lease.leftMs <= 0) return 'Nobody schedules at the moment.'
  const url = gateways.find(({ id }) => id === lease.gatewayId)?.url ?? lease.gatewayId
  const words = `${url} schedules since ${moment(lease.sinceAt)}, under token ${count(lease.token)}`
  if (!heldPlaces) return `${words}.`
  return `${words}; ${count(heldPlaces)} places are empty for requests of which nobody tells.`
}

const gatewayColumns: Column<ClusterGatewayView>[] = [
  { title: 'gateway', value: ({ url }) => url },
  { title: 'state', value: ({ state }) => state.replace('_', ' ') },
  { title: 'version', value: ({ version }) => version },
  { title: 'started', value: ({ startedAt }) => moment(startedAt) },
  { title: 'heard', value: ({ beatAgeMs }) => duration(beatAgeMs), align: 'right' },
]

const takeoverColumns: Column<ClusterTakeoverView>[] = [
  { title: 'takeover', value: ({ at }) => moment(at) },
  { title: 'gateway', value: ({ gatewayId }) => gatewayId },
  { title: 'idle', value: ({ idleMs }) => duration(idleMs), align: 'right' },
  { title: 'running', value: ({ running }) => count(running), align: 'right' },
  { title: 'waiting', value: ({ waiting }) => count(waiting), align: 'right' },
  { title: 'held', value: ({ held }) => count(held), align: 'right' },
]
