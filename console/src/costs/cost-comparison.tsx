/** The same work at list prices of closed services, and on engines of each tenant alone. */
import { useQuery } from '@tanstack/react-query'
import { get } from '../api/client.ts'
import type { ListComparisonView } from '../api/contract.ts'
import { address } from '../api/lists.ts'
import { CliCommand } from '../parts/cli-command.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { money, nanosOf } from '../parts/money.ts'
import { count, plural } from '../units.ts'
import { type CostSpan, monthName } from './cost-view.ts'
import { COMPARED } from './cost-words.ts'
import { Caveat, OwnEngines } from './own-engines.tsx'

export default function CostComparison({ span }: { span: CostSpan }) {
  const { from, to, month, tenant, isRunning } = span
  const query = { from, to, ...(tenant !== undefined && { tenant }) }
  const found = useQuery({
    queryKey: ['/api/ledger/comparison', month, tenant],
    queryFn: ({ signal }) =>
      get<ListComparisonView>(address('/api/ledger/comparison', query), signal),
  })
  const whose = tenant === undefined ? '' : ` --tenant ${tenant}`
  const view = found.data
  return (
    <>
      <DataTable
        title={COMPARED}
        note={`${tenant === undefined ? 'All tenants' : 'The chosen tenant'}, ${monthName(month)}${isRunning ? ' so far' : ''}`}
        name={`list-prices-${month}`}
        columns={columns}
        rows={view?.services}
        rowId={({ provider, model }) => `${provider}/${model}`}
        error={found.error}
        onRetry={() => void found.refetch()}
        empty="There is no list price to compare with; one is imported with gristmill price list-prices import."
        head={view && <Basis view={view} />}
        footer={
          <>
            {view && <Caveat text={`${view.caveat} ${view.tokenFactor.basis}`} />}
            <CliCommand
              className="mt-3"
              command={`gristmill ledger compare --period ${month}${whose}`}
            />
          </>
        }
      />
      <OwnEngines key={`${month} ${tenant}`} span={span} />
    </>
  )
}

/** What is compared, and how it is counted. */
function Basis({ view }: { view: ListComparisonView }) {
  const { cost, requests, inputTokens, cachedTokens, outputTokens, tokenFactor } = view
  return (
    <p className="mb-2 max-w-[80ch] text-[0.84rem]">
      {plural(requests, 'request')} with {count(inputTokens)} tokens in, {count(cachedTokens)} of
      them cached, and {count(outputTokens)} out cost{' '}
      <b className="font-[620]" title={cost.basis}>
        {money(nanosOf(cost.amount), cost.currency)}
      </b>{' '}
      here. Their tokens for one of ours are taken to be {tokenFactor.low} to {tokenFactor.high}.
    </p>
  )
}

type Service = ListComparisonView['services'][number]

const amount = (title: string, note: string, of: (row: Service) => string): Column<Service> => ({
  title,
  note,
  show: (row) => money(nanosOf(of(row)), row.currency),
  csv: of,
  isNumber: true,
})

const columns: Column<Service>[] = [
  {
    title: 'Service',
    show: ({ provider, model, source }) => (
      <a href={source} target="_blank" rel="noreferrer" className="underline">
        {provider} {model}
      </a>
    ),
    csv: ({ provider, model }) => `${provider}/${model}`,
  },
  amount(
    'At our count',
    'The tokens counted here, cached ones at their price',
    (row) => row.asCounted,
  ),
  amount('From', 'Fewer tokens by their tokenizer', ({ low }) => low),
  amount('To', 'More tokens, and no cache at all', ({ high }) => high),
  {
    title: 'List price of',
    note: 'The day on which it was read',
    show: ({ asOf, ageDays, isOutdated }) => (
      <span className={isOutdated ? 'text-warn' : undefined}>
        {isOutdated ? `${asOf}, outdated: ${ageDays} days old` : asOf}
      </span>
    ),
    csv: ({ asOf }) => asOf,
  },
]
