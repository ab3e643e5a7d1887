/** Why a request is charged what it is: what was counted, at which price, and the sum. */
import { useQuery } from '@tanstack/react-query'
import { get } from '../api/client.ts'
import type { ChargeView } from '../api/contract.ts'
import { DataTable } from '../parts/data-table.tsx'
import { count, percent, rate } from '../units.ts'

type Line = ChargeView['lines'][number]

const names: Record<Line['what'], string> = {
  input: 'Prompt tokens',
  cachedInput: 'Cached prompt tokens',
  cacheWrite: 'Cache writes',
  embedding: 'Embedded tokens',
  output: 'Output tokens',
  reasoning: 'Reasoning tokens',
  request: 'The request',
  engineSecond: 'Seconds on an engine',
}

const perOf = ({ what }: Line) => {
  if (what === 'request') return 'a request'
  return what === 'engineSecond' ? 'a second' : 'a million'
}

export function PriceLines({ id }: { id: string }) {
  const path = `/api/requests/${encodeURIComponent(id)}/charge`
  const { data, error, refetch } = useQuery({
    queryKey: [path],
    queryFn: ({ signal }) => get<ChargeView>(path, signal),
  })
  const currency = data?.currency ?? ''
  return (
    <DataTable
      title="What it is charged for"
      note={data?.version == null ? '' : `version ${data.version} of the prices, ${currency}`}
      name={`charge-${id}`}
      columns={[
        { title: 'For', show: ({ what }) => names[what], csv: ({ what }) => what },
        {
          title: 'Quantity',
          show: (line) =>
            line.what === 'engineSecond' ? rate(line.quantity) : count(line.quantity),
          csv: ({ quantity }) => quantity,
          isNumber: true,
        },
        {
          title: 'Price',
          show: (line) => `${line.rate} ${perOf(line)}`,
          csv: (line) => line.rate,
          isNumber: true,
        },
        {
          title: 'Amount',
          note: 'Exact; only the sum is rounded, to the nano-unit',
          show: ({ amount }) => amount,
          csv: ({ amount }) => amount,
          isNumber: true,
        },
      ]}
      rows={data?.lines}
      rowId={({ what }) => what}
      error={error}
      onRetry={() => void refetch()}
      empty={data === undefined ? '' : nothingInWords(data)}
      footer={
        data?.total != null && (
          <p className="mt-3 text-right text-[0.84rem] tabular-nums">
            {data.hitShare !== null && (
              <span className="text-soft">
                {percent(Number(data.hitShare))} of it, for an answer out of the response cache:{' '}
              </span>
            )}
            <span className="font-[580]">
              {data.total} {currency}
            </span>
          </p>
        )
      }
    />
  )
}

function nothingInWords({ version, total }: ChargeView): string {
  if (version === null) return 'No price held for it when it came, so it is charged nothing.'
  return total === '0'
    ? 'It has no tokens, so it is charged nothing.'
    : 'The price that it was charged by is not in the book.'
}
