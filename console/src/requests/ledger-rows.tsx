/** The two rows that the ledger holds of a request: what was intended, and what came of it. */
import type { RequestView } from '../api/contract.ts'
import { useSignedIn } from '../api/session.ts'
import { DataTable } from '../parts/data-table.tsx'
import { money } from '../parts/money.ts'
import { NOTHING } from '../parts/table-looks.ts'
import { count, duration, moment } from '../units.ts'
import { endInWords } from './ends.ts'

interface LedgerRow {
  kind: 'intent' | 'settlement'
  at: string | null
  what: string
  tokens: string
  charge: string
  note: string
}

const groups = {
  finished: 'exact: the engine’s own usage',
  cut: 'ended early while the gateway lived',
  recovered: 'settled after a crash from its last durable progress',
}

export function LedgerRows({ request }: { request: RequestView }) {
  const { currency } = useSignedIn().session
  return (
    <DataTable
      title="On the ledger"
      note="append-only; a settlement closes its intent exactly once"
      name={`ledger-${request.id}`}
      columns={[
        { title: 'Row', show: ({ kind }) => kind, csv: ({ kind }) => kind },
        {
          title: 'Written',
          show: ({ at }) => (at === null ? 'not yet' : moment(at)),
          csv: ({ at }) => at,
        },
        { title: 'What', show: ({ what }) => what, csv: ({ what }) => what },
        { title: 'Tokens', show: ({ tokens }) => tokens, csv: ({ tokens }) => tokens },
        { title: 'Charge', show: ({ charge }) => charge, csv: ({ charge }) => charge },
        {
          title: 'Basis',
          show: ({ note }) => <span className="text-soft">{note}</span>,
          csv: ({ note }) => note,
        },
      ]}
      rows={rowsOf(request, currency)}
      rowId={({ kind }) => kind}
      empty=""
    />
  )
}

function rowsOf(request: RequestView, currency: string): LedgerRow[] {
  const { settledAt, group, estimated, inputTokens, cachedTokens, outputTokens, engineMs } = request
  const tokens = `${count(inputTokens)} in (${count(cachedTokens)} cached) · ${count(outputTokens)} out`
  const intent: LedgerRow = {
    kind: 'intent',
    at: request.arrivedAt,
    what: `${request.serviceClass}, ${request.model}`,
    tokens: settledAt === null ? `${tokens}, so far` : '–',
    charge: NOTHING,
    note: 'durable before the first byte of the answer',
  }
  if (settledAt === null || group === null) return [intent]
  const time = engineMs === null ? '' : `, ${duration(engineMs)} of engine time`
  return [
    intent,
    {
      kind: 'settlement',
      at: settledAt,
      what: `${endInWords(request)}${time}`,
      tokens,
      charge: chargeOf(request, currency),
      note: `${groups[group]}${estimated ? '; tokens counted from frames' : ''}`,
    },
  ]
}

function chargeOf({ chargeNanos, priceVersion }: RequestView, currency: string): string {
  if (chargeNanos === null) return 'no price held'
  return `${money(BigInt(chargeNanos), currency)}, by version ${priceVersion} of the prices`
}
