/** The price book: what holds, what is to come, and what was. */
import { Plus } from 'lucide-react'
import { useState } from 'react'
import { useChange } from '../api/changes.ts'
import type { PriceView, RatesView } from '../api/contract.ts'
import { useMay, useSignedIn } from '../api/session.ts'
import { Button } from '../parts/button.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { Confirm } from '../parts/confirm.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { PageHead } from '../parts/page-head.tsx'
import { RowButton } from '../parts/row-button.tsx'
import { NOTHING } from '../parts/table-looks.ts'
import { moment, plural } from '../units.ts'
import { Discounts } from './discounts.tsx'
import { ListPrices } from './list-prices.tsx'
import { PastNote } from './past-note.tsx'
import { PriceForm } from './price-form.tsx'
import { scopeInWords, usePriceBook } from './price-list.ts'

export default function Prices() {
  const { data: book, error, refetch } = usePriceBook()
  const mayWrite = useMay('prices:write')
  const { currency } = useSignedIn().session
  const [isNew, setNew] = useState(false)
  const [ending, setEnding] = useState<PriceView | null>(null)
  const [showsPast, setShowsPast] = useState(false)
  const end = useChange(['/api/prices'], () => setEnding(null))
  const current = book?.prices.filter(({ state }) => state !== 'past')
  const past = (book?.prices.length ?? 0) - (current?.length ?? 0)
  const columns = priceColumns()
  if (mayWrite) columns.push(endColumn(setEnding))
  return (
    <>
      <PageHead
        sentence={sentence(current)}
        isLost={book === undefined && error !== null}
        context="A request is charged by the price that held when it came. A price for its plan goes before one for its model, that before one for its class."
        aside={
          mayWrite && (
            <Button look="main" onClick={() => setNew(true)}>
              <Plus size={15} aria-hidden /> New price
            </Button>
          )
        }
      />
      <DataTable
        title="Prices"
        note={
          <PastNote
            what={`tokens by the million, in ${currency}`}
            past={past}
            showsPast={showsPast}
            onChange={setShowsPast}
          />
        }
        name="prices"
        columns={columns}
        rows={(showsPast ? book?.prices : current)?.toReversed()}
        rowId={({ version }) => String(version)}
        error={error}
        onRetry={() => void refetch()}
        empty="Prices appear here. Without any, use is counted and nothing is charged."
        footer={<CliCommand className="mt-3" command="gristmill price export > prices.yaml" />}
      />
      <div className="mt-4 grid gap-4">
        <Discounts />
        <ListPrices />
      </div>
      <PriceForm currency={currency} isOpen={isNew} onClose={() => setNew(false)} />
      {ending !== null && (
        <Confirm
          title="End this price?"
          isOpen
          onClose={() => setEnding(null)}
          action="End it"
          command={endCommand(ending)}
          isBusy={end.isPending}
          error={end.error}
          onConfirm={() =>
            end.mutate({ method: 'POST', path: '/api/prices', body: endBody(ending) })
          }
        >
          From the next second on a less particular price holds for {scopeInWords(ending)}, or none.
        </Confirm>
      )}
    </>
  )
}

function sentence(current: readonly PriceView[] | undefined): string {
  if (current === undefined) return 'Reading the price book.'
  const holding = current.filter(({ state, rates }) => state === 'holds' && rates !== null)
  const coming = current.filter(({ state }) => state === 'coming')
  if (holding.length + coming.length === 0) return 'Nothing is charged: there are no prices.'
  const [next] = coming
  const later =
    next === undefined
      ? 'none is to change'
      : `the next takes effect on ${moment(next.effectiveAt)}`
  return `${plural(holding.length, 'price holds', 'prices hold')}; ${later}.`
}

const endBody = ({ model, serviceClass, plan }: PriceView) => ({
  prices: [{ model, serviceClass, plan, ends: true }],
})

function endCommand({ model, serviceClass, plan }: PriceView): string {
  const flags = [
    ...(model === '*' ? [] : [`--model ${model}`]),
    ...(serviceClass === null ? [] : [`--class ${serviceClass}`]),
    ...(plan === null ? [] : [`--plan ${plan}`]),
  ]
  return ['gristmill price set', ...flags, '--end'].join(' ')
}

function priceColumns(): Column<PriceView>[] {
  const amount = (title: string, name: keyof RatesView, note: string): Column<PriceView> => ({
    title,
    note,
    show: ({ rates }) => (rates === null || rates[name] === '0' ? NOTHING : rates[name]),
    csv: ({ rates }) => rates?.[name] ?? null,
    isNumber: true,
  })
  return [
    { title: 'For', show: scopeInWords, csv: scopeInWords },
    {
      title: 'From',
      show: ({ effectiveAt }) => moment(effectiveAt),
      csv: ({ effectiveAt }) => effectiveAt,
    },
    {
      title: 'State',
      show: ({ state, rates }) => (rates === null ? `${state}: none` : state),
      csv: ({ state }) => state,
    },
    amount('Input', 'input', 'A million prompt tokens'),
    amount('Cached', 'cachedInput', 'A million prompt tokens out of a prefix cache'),
    amount('Cache write', 'cacheWrite', 'A million prompt tokens that a service is paid to keep'),
    amount('Output', 'output', 'A million output tokens'),
    amount('Reasoning', 'reasoning', 'A million output tokens that are reasoning'),
    amount('Embedding', 'embedding', 'A million embedded tokens'),
    amount('Request', 'request', 'A request that has tokens'),
    amount('Engine second', 'engineSecond', 'A second from dispatch to end'),
    amount(
      'Cache hit',
      'hitShare',
      'Share of all this that a hit in the response cache is charged',
    ),
    {
      title: 'Version',
      note: 'As settlements name it; who added it and why',
      show: ({ version, actor, note }) => <span title={`${actor}: ${note}`}>{version}</span>,
      csv: ({ version }) => version,
      isNumber: true,
    },
  ]
}

const endColumn = (onEnd: (price: PriceView) => void): Column<PriceView> => ({
  title: '',
  show: (price) =>
    price.state === 'holds' && price.rates !== null ? (
      <RowButton onClick={() => onEnd(price)}>End</RowButton>
    ) : null,
  isNumber: true,
})
