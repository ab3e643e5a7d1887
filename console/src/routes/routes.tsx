/** Routes: what stands behind the names that clients ask for, and who asks for them. */
import { Plus } from 'lucide-react'
import { Link } from 'wouter'
import type { RouteTargetView, RouteView } from '../api/contract.ts'
import { useMay, useMayOfAll } from '../api/session.ts'
import { linkButtonClass } from '../parts/button.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { PageHead } from '../parts/page-head.tsx'
import { NOTHING } from '../parts/table-looks.ts'
import { count, listed, moment } from '../units.ts'
import { Explain } from './explain.tsx'
import { Flow } from './flow.tsx'
import { OwnRoutes } from './own-routes.tsx'
import { FLOW_MINUTES, requestsByName, useFlow, useRoutes } from './route-data.ts'
import { conditionsOf, placeOf, rankOf, routesSentence } from './route-words.ts'
import { Versions } from './versions.tsx'

/** Billionths for a token, in whole units for a million tokens. */
const NANOS = 1000

export default function Routes() {
  return useMayOfAll('routes:read') ? <AllRoutes /> : <OwnRoutes />
}

function AllRoutes() {
  const { data: set, error, refetch } = useRoutes()
  const flow = useFlow()
  const mayWrite = useMay('routes:write')
  const requests = requestsByName(flow.data)
  const routes = set?.routes
  const routeOf = new Map(
    routes?.flatMap(({ name, aliases }) => [name, ...aliases].map((one) => [one, name] as const)),
  )
  return (
    <>
      <PageHead
        sentence={routesSentence(set, requests, FLOW_MINUTES)}
        isLost={set === undefined && error !== null}
        context="Applications ask for a name; what answers it can change at any time, for everybody or for some, without a change in any of them."
        aside={
          mayWrite && (
            <>
              {routes !== undefined && routes.length > 0 && (
                <Link href="/routes/edit" className={linkButtonClass}>
                  Edit all
                </Link>
              )}
              <Link href="/routes/edit?add" className={linkButtonClass}>
                <Plus size={15} aria-hidden /> Add a route
              </Link>
            </>
          )
        }
      />
      <div className="grid gap-4">
        <Flow
          flow={flow.data}
          error={flow.error}
          onRetry={() => void flow.refetch()}
          routeOf={routeOf}
        />
        <DataTable
          title="Routes"
          note={set?.at && `version ${set.version}, since ${moment(set.at)}, by ${set.actor}`}
          name="routes"
          columns={columns(requests, mayWrite)}
          rows={routes}
          rowId={({ name }) => name}
          error={error}
          onRetry={() => void refetch()}
          empty="A route gives a model a name of your own, spreads its requests, or keeps some of them apart. Add the first one."
          footer={
            <>
              {set !== undefined && set.warnings.length > 0 && (
                <ul className="mt-3 grid gap-1 text-[0.8rem] text-warn">
                  {set.warnings.map((warning) => (
                    <li key={warning}>Note: {warning}.</li>
                  ))}
                </ul>
              )}
              <CliCommand className="mt-3" command="gristmill route list" />
            </>
          }
        />
        {routes !== undefined && routes.length > 0 && <Explain names={[...routeOf.keys()]} />}
        {set !== undefined && set.version > 0 && <Versions current={set.version} />}
      </div>
    </>
  )
}

function columns(requests: ReadonlyMap<string, number>, mayWrite: boolean): Column<RouteView>[] {
  const askedFor = ({ name, aliases }: RouteView) =>
    [name, ...aliases].reduce((sum, one) => sum + (requests.get(one) ?? 0), 0)
  return [
    {
      title: 'Route',
      show: ({ name, aliases }) => (
        <span>
          {name}
          {aliases.length > 0 && (
            <span className="block text-[0.75rem] font-normal text-soft">
              also {listed(aliases)}
            </span>
          )}
        </span>
      ),
      csv: ({ name, aliases }) => [name, ...aliases].join(' '),
    },
    {
      title: 'Targets',
      note: 'What answers, with its share or its turn, and which requests it takes',
      show: (route) => (
        <ul className="grid gap-1">
          {route.targets.map((target) => (
            <Target key={JSON.stringify(target)} target={target} route={route} />
          ))}
        </ul>
      ),
      csv: ({ targets }) => targets.map(placeOf).join('; '),
    },
    {
      title: 'Defaults',
      note: 'Fields that a request has where it does not set them',
      show: ({ defaults }) => {
        const entries = Object.entries(defaults)
        if (entries.length === 0) return NOTHING
        return entries.map(([name, value]) => `${name} ${JSON.stringify(value)}`).join(', ')
      },
      csv: ({ defaults }) => JSON.stringify(defaults),
    },
    {
      title: 'Ends',
      note: 'First day without an answer (UTC), and what to ask for then',
      show: ({ deprecation }) => {
        if (deprecation === null) return NOTHING
        const { date, successor } = deprecation
        return (
          <span className="text-warn">
            {date}
            {successor !== null && <span className="block text-soft">then {successor}</span>}
          </span>
        )
      },
      csv: ({ deprecation }) => deprecation?.date,
    },
    {
      title: 'Requests',
      note: `That ended in the last ${FLOW_MINUTES} minutes, its aliases included`,
      show: (route) => count(askedFor(route)),
      csv: askedFor,
      isNumber: true,
    },
    ...(mayWrite
      ? [
          {
            title: '',
            isNumber: true,
            show: ({ name }: RouteView) => (
              <Link
                href={`/routes/edit?route=${encodeURIComponent(name)}`}
                aria-label={`Edit ${name}`}
                className="text-[0.78rem] text-accent underline-offset-2 hover:underline"
              >
                Edit
              </Link>
            ),
          },
        ]
      : []),
  ]
}

function Target({ target, route }: { target: RouteTargetView; route: RouteView }) {
  const rank = rankOf(target, route)
  const conditions = conditionsOf(target)
  const { price } = target
  const rented =
    price === null
      ? ''
      : `${price.inputNanos / NANOS} in, ${price.outputNanos / NANOS} out per million tokens`
  const small = [conditions, rented].filter((words) => words !== '').join('; ')
  return (
    <li>
      {rank !== '' && <span className="mr-1.5 text-soft tabular-nums">{rank}</span>}
      <span className="font-[560]">{placeOf(target)}</span>
      {small !== '' && <span className="block text-[0.75rem] text-soft">{small}</span>}
    </li>
  )
}
