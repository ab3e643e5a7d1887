/** Gateways that share a database: who lives, who schedules, who took over when. */
import { useQuery } from '@tanstack/react-query'
import { get } from '../api/client.ts'
import type { ClusterGatewayView, ClusterTakeoverView, ClusterView } from '../api/contract.ts'
import { CliCommand } from '../parts/cli-command.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { Figure, Figures } from '../parts/figure.tsx'
import { PageHead } from '../parts/page-head.tsx'
import { count, duration, moment, plural } from '../units.ts'

const REFETCH_MS = 1000

export default function Cluster() {
  const { data, error, refetch } = useQuery({
    queryKey: ['/api/cluster'],
    queryFn: ({ signal }) => get<ClusterView>('/api/cluster', signal),
    refetchInterval: REFETCH_MS,
  })
  const isStale = error !== null && data !== undefined
  const empty =
    data?.isShared === false
      ? 'This gateway is alone on its database. Start others with the same DATABASE_URL and a GRISTMILL_CLUSTER_URL each, and they appear here.'
      : 'No gateway gives a sign of life.'
  return (
    <>
      <PageHead
        sentence={sentence(data, Date.now())}
        isLost={data === undefined && error !== null}
        context="Every gateway answers clients and sends to the engines itself; one of them schedules for all."
      />
      {data?.isShared === true && <ClusterFigures view={data} isStale={isStale} />}
      <div className={`mt-4 grid gap-4 ${isStale ? 'stale' : ''}`}>
        <DataTable
          title="Gateways"
          note="asked every second"
          name="gateways"
          columns={gatewayColumns}
          rows={data?.gateways}
          rowId={({ id }) => id}
          error={error}
          onRetry={() => void refetch()}
          empty={empty}
          footer={<CliCommand className="mt-3" command="gristmill cluster status" />}
        />
        {data?.isShared === true && (
          <DataTable
            title="Takeovers"
            note="newest first"
            name="takeovers"
            columns={takeoverColumns(data)}
            rows={data.takeovers}
            rowId={({ token }) => String(token)}
            empty="Nobody has taken over yet."
          />
        )}
      </div>
    </>
  )
}

function sentence(view: ClusterView | undefined, nowMs: number): string {
  if (view === undefined) return 'Looking for the gateways.'
  if (!view.isShared) return 'One gateway, alone on its database.'
  const living = view.gateways.filter(({ state }) => state !== 'silent')
  const silent = view.gateways.length - living.length
  const words = `${plural(living.length, 'gateway')} ${living.length === 1 ? 'lives' : 'live'}`
  const rest = silent === 0 ? '' : `, ${count(silent)} ${silent === 1 ? 'is' : 'are'} silent`
  const { lease } = view
  if (lease === null || lease.leftMs <= 0) return `${words}${rest}; nobody schedules.`
  const forMs = Math.max(0, nowMs - Date.parse(lease.sinceAt))
  return `${words}${rest}; ${nameOf(view, lease.gatewayId)} has scheduled for ${duration(forMs)}.`
}

function ClusterFigures({ view, isStale }: { view: ClusterView; isStale: boolean }) {
  const { lease, heldPlaces, takeovers } = view
  const [last] = takeovers
  return (
    <Figures isStale={isStale}>
      <Figure
        label="Lease"
        value={lease === null ? null : inSeconds(Math.max(0, lease.leftMs))}
        unit="s left"
        basis={lease === null ? 'nobody has it' : `token ${count(lease.token)}`}
        definition="Until the right to schedule ends unless it is renewed, by the clock of the database."
      />
      <Figure
        label="Connected"
        value={count(view.gateways.filter(isServed).length)}
        unit={`of ${count(view.gateways.length)}`}
        basis="as the gateway that answers sees it"
        definition="Gateways that schedule or are connected to the one that does."
      />
      <Figure
        label="Places kept empty"
        value={heldPlaces === null ? null : count(heldPlaces)}
        basis={heldPlaces === null ? 'only the one that schedules knows' : 'of all engines'}
        definition="Places of engines left empty because requests of a lost gateway may run there."
      />
      <Figure
        label="Last takeover"
        value={last === undefined ? null : inSeconds(last.idleMs)}
        unit="s idle"
        basis={last === undefined ? 'none so far' : moment(last.at)}
        definition="From the end of the lease before to the first start of a request under the next."
      />
    </Figures>
  )
}

const inSeconds = (ms: number) => (ms / 1000).toFixed(1)

const isServed = ({ state }: ClusterGatewayView) => state === 'scheduling' || state === 'connected'

function nameOf({ gateways }: ClusterView, id: string): string {
  const url = gateways.find((one) => one.id === id)?.url
  return url === undefined ? id : new URL(url).host
}

const gatewayColumns: Column<ClusterGatewayView>[] = [
  { title: 'Gateway', show: ({ url }) => new URL(url).host, csv: ({ url }) => url },
  {
    title: 'State',
    show: ({ state, reason }) => (
      <span>
        {state.replace('_', ' ')} <span className="block text-soft">{reason}</span>
      </span>
    ),
    csv: ({ state }) => state,
  },
  { title: 'Version', show: ({ version }) => version, csv: ({ version }) => version },
  {
    title: 'Process',
    note: 'Number of the process, and the machine that it runs on',
    show: ({ host, pid }) => `${pid} on ${host}`,
    csv: ({ host, pid }) => `${pid}@${host}`,
  },
  {
    title: 'Started',
    show: ({ startedAt }) => moment(startedAt),
    csv: ({ startedAt }) => startedAt,
  },
  {
    title: 'Heard',
    note: 'Since its last sign of life in the database',
    show: ({ beatAgeMs }) => duration(beatAgeMs),
    csv: ({ beatAgeMs }) => beatAgeMs,
    isNumber: true,
  },
]

function takeoverColumns(view: ClusterView): Column<ClusterTakeoverView>[] {
  return [
    { title: 'When', show: ({ at }) => moment(at), csv: ({ at }) => at },
    {
      title: 'Gateway',
      show: ({ gatewayId }) => nameOf(view, gatewayId),
      csv: ({ gatewayId }) => gatewayId,
    },
    {
      title: 'Token',
      show: ({ token }) => count(token),
      csv: ({ token }) => token,
      isNumber: true,
    },
    {
      title: 'Idle',
      note: 'From the end of the lease before to the first start of a request',
      show: ({ idleMs }) => duration(idleMs),
      csv: ({ idleMs }) => idleMs,
      isNumber: true,
    },
    {
      title: 'Running',
      note: 'Requests that ran when it began, and went on',
      show: ({ running }) => count(running),
      csv: ({ running }) => running,
      isNumber: true,
    },
    {
      title: 'Waiting',
      note: 'Requests that waited, and kept their place',
      show: ({ waiting }) => count(waiting),
      csv: ({ waiting }) => waiting,
      isNumber: true,
    },
    {
      title: 'Kept empty',
      note: 'Places for requests of which no gateway told',
      show: ({ held }) => count(held),
      csv: ({ held }) => held,
      isNumber: true,
    },
  ]
}
