/** Where one tenant's request for a name would go now, and why. */
import { useQuery } from '@tanstack/react-query'
import { useSearchParams } from 'wouter'
import { get } from '../api/client.ts'
import type { RouteExplanationView } from '../api/contract.ts'
import { address, useTenants } from '../api/lists.ts'
import { CliCommand } from '../parts/cli-command.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { shellWord } from '../parts/shell-word.ts'
import { withParameter } from '../parts/tenant-filter.tsx'
import { percent } from '../units.ts'
import { ROUTES } from './route-data.ts'
import { placeOf } from './route-words.ts'

const TOKENS_MAX = 100_000_000

/** @param names that may be asked for */
export function Explain({ names }: { names: readonly string[] }) {
  const [search, setSearch] = useSearchParams()
  const tenants = useTenants().data ?? []
  const model = search.get('model') ?? names[0] ?? ''
  const tenant = search.get('as') ?? tenants[0]?.id ?? ''
  const serviceClass = search.get('class') ?? ''
  const inputTokens = search.get('tokens') ?? ''
  const query = { model, tenant, class: serviceClass, inputTokens }
  const { data, error, refetch } = useQuery({
    queryKey: [`${ROUTES}/explain`, query],
    queryFn: ({ signal }) => get<RouteExplanationView>(address(`${ROUTES}/explain`, query), signal),
    enabled: model !== '' && tenant !== '',
  })
  const set = (name: string) => (value: string) =>
    setSearch(withParameter(name, value), { replace: true })
  const asker = tenants.find(({ id }) => id === tenant)?.name ?? tenant
  const flags = [
    ...(serviceClass === '' ? [] : [` --class ${serviceClass}`]),
    ...(inputTokens === '' ? [] : [` --input-tokens ${inputTokens}`]),
  ].join('')
  return (
    <DataTable
      title="Where would it go?"
      note={data === undefined ? 'as it stands now' : sentence(data)}
      name="route-explanation"
      columns={columns}
      rows={data?.targets}
      rowId={({ model: name, engine, preference, weight, why }) =>
        JSON.stringify([name, engine, preference, weight, why])
      }
      error={error}
      onRetry={() => void refetch()}
      empty="It has no targets."
      head={
        <div className="mb-4 grid gap-3">
          <div className="grid grid-cols-2 gap-3 md:grid-cols-4">
            <Choice label="Asks for" value={model} onChange={(e) => set('model')(e.target.value)}>
              {names.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </Choice>
            <Choice label="Who asks" value={tenant} onChange={(e) => set('as')(e.target.value)}>
              {tenants.map(({ id, name }) => (
                <option key={id} value={id}>
                  {name}
                </option>
              ))}
            </Choice>
            <Choice
              label="Class"
              value={serviceClass}
              onChange={(e) => set('class')(e.target.value)}
            >
              <option value="">the tenant’s own</option>
              {['priority', 'standard', 'flex', 'batch'].map((name) => (
                <option key={name}>{name}</option>
              ))}
            </Choice>
            <Field
              label="Prompt, tokens"
              type="number"
              min={0}
              max={TOKENS_MAX}
              placeholder="0"
              value={inputTokens}
              onChange={(e) => set('tokens')(e.target.value)}
            />
          </div>
        </div>
      }
      footer={
        <>
          {data !== undefined && data.guards.length > 0 && <Guards guards={data.guards} />}
          <CliCommand
            className="mt-3"
            command={`gristmill route explain ${shellWord(model)} --as ${shellWord(asker)}${flags}`}
          />
        </>
      }
    />
  )
}

function Guards({ guards }: Pick<RouteExplanationView, 'guards'>) {
  return (
    <ul aria-label="Guards" className="mt-3 grid gap-1 text-[0.8rem] text-soft">
      {guards.map(({ name, when, does }) => (
        <li key={name}>
          {when === 'before' ? 'First' : 'Then'} the guard <b className="font-[580]">{name}</b>{' '}
          {does}
        </li>
      ))}
    </ul>
  )
}

function sentence({ model, route, tenant, serviceClass, mayUse }: RouteExplanationView): string {
  const what = route === model ? `${model} is a route` : `${model} is the route ${route}`
  if (!mayUse) return `${what}; ${tenant} may not use it, its list of models does not name it`
  return `${what}; ${tenant} asks as ${serviceClass}`
}

const columns: Column<RouteExplanationView['targets'][number]>[] = [
  { title: 'Target', show: placeOf, csv: placeOf },
  {
    title: 'Asked first',
    note: 'Share of such requests that go there first',
    show: ({ share }) => percent(share),
    csv: ({ share }) => share,
    isNumber: true,
  },
  {
    title: 'Preference',
    note: 'Lower is asked first',
    show: ({ preference }) => preference,
    csv: ({ preference }) => preference,
    isNumber: true,
  },
  {
    title: 'Weight',
    note: 'Among targets of the same preference',
    show: ({ weight }) => weight,
    csv: ({ weight }) => weight,
    isNumber: true,
  },
  { title: 'Why', show: ({ why }) => why, csv: ({ why }) => why },
]
