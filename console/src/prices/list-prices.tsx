/** What closed services charge by their public price pages, with its age: to compare with. */
import { useQuery } from '@tanstack/react-query'
import { get } from '../api/client.ts'
import type { ListPriceListView, ListPriceView } from '../api/contract.ts'
import { CliCommand } from '../parts/cli-command.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { NOTHING } from '../parts/table-looks.ts'
import { plural } from '../units.ts'

export function ListPrices() {
  const { data, error, refetch } = useQuery({
    queryKey: ['/api/list-prices'],
    queryFn: ({ signal }) => get<ListPriceListView>('/api/list-prices', signal),
  })
  return (
    <DataTable
      title="List prices of closed services"
      note={data && noteOf(data)}
      name="list-prices"
      columns={columns}
      rows={data?.prices}
      rowId={({ provider, model }) => `${provider} ${model}`}
      error={error}
      onRetry={() => void refetch()}
      empty="What services ask appears here, to compare with."
      footer={
        <CliCommand className="mt-3" command="gristmill price list-prices import list.yaml" />
      }
    />
  )
}

function noteOf({ version, actor, outdated, daysMax }: ListPriceListView) {
  const whose = version === null ? 'as they come with the program' : `as ${actor} gave them`
  return (
    <span className="inline-flex flex-wrap gap-x-3">
      <span>{`a million tokens, ${whose}; nobody is charged by them`}</span>
      {outdated > 0 && (
        <span role="status" className="text-warn">
          {`${plural(outdated, 'was', 'were')} read more than ${daysMax} days ago`}
        </span>
      )}
    </span>
  )
}

const amount = (
  title: string,
  name: 'input' | 'cachedInput' | 'output',
): Column<ListPriceView> => ({
  title,
  show: ({ [name]: value, currency }) => (value === null ? NOTHING : `${value} ${currency}`),
  csv: ({ [name]: value }) => value,
  isNumber: true,
})

const columns: Column<ListPriceView>[] = [
  {
    title: 'Model',
    show: ({ provider, model, note }) => (
      <span title={note ?? undefined}>{`${provider} ${model}`}</span>
    ),
    csv: ({ provider, model }) => `${provider} ${model}`,
  },
  amount('Input', 'input'),
  amount('Cached', 'cachedInput'),
  amount('Output', 'output'),
  {
    title: 'Read on',
    note: 'The day on which the price page said so',
    show: ({ asOf, isOutdated }) => (
      <span className={isOutdated ? 'text-warn' : undefined}>
        {isOutdated ? `${asOf}, outdated` : asOf}
      </span>
    ),
    csv: ({ asOf }) => asOf,
  },
  {
    title: 'Source',
    show: ({ source, via }) => (
      <a
        href={via ?? source}
        target="_blank"
        rel="noreferrer"
        className="text-accent hover:underline"
      >
        {new URL(via ?? source).hostname}
      </a>
    ),
    csv: ({ source, via }) => via ?? source,
  },
]
