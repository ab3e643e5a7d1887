/** What tenants get off a month: the terms that hold, those to come, and those that were. */
import { useQuery } from '@tanstack/react-query'
import { Plus } from 'lucide-react'
import { useState } from 'react'
import { useChange } from '../api/changes.ts'
import { get } from '../api/client.ts'
import type { DiscountTermsView } from '../api/contract.ts'
import { useTenantNames } from '../api/lists.ts'
import { useMay, useMayOfAll, useSignedIn } from '../api/session.ts'
import { Button } from '../parts/button.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { Confirm } from '../parts/confirm.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { RowButton } from '../parts/row-button.tsx'
import { shellWord } from '../parts/shell-word.ts'
import { TenantName } from '../parts/tenant-name.tsx'
import { DiscountForm } from './discount-form.tsx'
import {
  DISCOUNTS_PATH,
  isEnd,
  monthAt,
  type StatedTerms,
  statedTerms,
  termsInWords,
} from './discount-list.ts'
import { PastNote } from './past-note.tsx'

export function Discounts() {
  const { data, error, refetch } = useQuery({
    queryKey: [DISCOUNTS_PATH],
    queryFn: ({ signal }) => get<{ rows: DiscountTermsView[] }>(DISCOUNTS_PATH, signal),
  })
  const mayWrite = useMay('costs:write')
  const mayWritePlans = useMayOfAll('costs:write')
  const { currency } = useSignedIn().session
  const [isNew, setNew] = useState(false)
  const [ending, setEnding] = useState<StatedTerms | null>(null)
  const [showsPast, setShowsPast] = useState(false)
  const all = data && statedTerms(data.rows, monthAt(Date.now()))
  const current = all?.filter(({ state }) => state !== 'past')
  const past = (all?.length ?? 0) - (current?.length ?? 0)
  const columns = useColumns(currency)
  const mayEnd = ({ plan }: StatedTerms) => (plan === null ? mayWrite : mayWritePlans)
  if (mayWrite) columns.push(endColumn(mayEnd, setEnding))
  return (
    <>
      <DataTable
        title="Discounts"
        note={
          <PastNote
            what="of what a month is charged, as lines of its statement"
            past={past}
            showsPast={showsPast}
            onChange={setShowsPast}
          />
        }
        name="discounts"
        columns={columns}
        rows={showsPast ? all : current}
        rowId={({ version }) => String(version)}
        error={error}
        onRetry={() => void refetch()}
        empty="Terms of tenants and price plans appear here: what is free in a month, and what comes off by volume. Without any, everything is paid in full."
        footer={
          <div className="mt-3 flex flex-wrap items-center justify-between gap-3">
            <CliCommand command="gristmill discount list" />
            {mayWrite && (
              <Button onClick={() => setNew(true)}>
                <Plus size={15} aria-hidden /> New discount
              </Button>
            )}
          </div>
        }
      />
      <DiscountForm
        currency={currency}
        isForPlansToo={mayWritePlans}
        isOpen={isNew}
        onClose={() => setNew(false)}
      />
      {ending !== null && <End terms={ending} onClose={() => setEnding(null)} />}
    </>
  )
}

function End({ terms, onClose }: { terms: StatedTerms; onClose: () => void }) {
  const { tenantId, plan } = terms
  const end = useChange([DISCOUNTS_PATH], onClose)
  const name = useTenantNames().get(tenantId ?? '')?.name ?? tenantId ?? ''
  // Those to come never hold; others until their month is over.
  const from = terms.state === 'coming' ? terms.from : monthAt(Date.now(), 1)
  const scope = plan === null ? `--tenant ${shellWord(name)}` : `--plan ${shellWord(plan)}`
  return (
    <Confirm
      title="End these terms?"
      isOpen
      onClose={onClose}
      action="End them"
      command={`gristmill discount set ${scope} --end --from ${from}`}
      isBusy={end.isPending}
      error={end.error}
      onConfirm={() =>
        end.mutate({ method: 'POST', path: DISCOUNTS_PATH, body: { tenantId, plan, from } })
      }
    >
      {plan === null
        ? `From ${from} on ${name} gets what its price plan has, or nothing.`
        : `From ${from} on tenants with the price plan ${plan} get nothing off, but by terms of their own.`}
    </Confirm>
  )
}

function useColumns(currency: string): Column<StatedTerms>[] {
  const names = useTenantNames()
  const nameOf = ({ tenantId, plan }: StatedTerms) =>
    tenantId === null ? `price plan ${plan}` : (names.get(tenantId)?.name ?? tenantId)
  const words = (terms: StatedTerms) => termsInWords(terms, currency)
  return [
    {
      title: 'For',
      show: (terms) =>
        terms.tenantId === null ? (
          nameOf(terms)
        ) : (
          <TenantName name={nameOf(terms)} hue={names.get(terms.tenantId)?.hue ?? -1} />
        ),
      csv: nameOf,
    },
    { title: 'From', note: 'The month, UTC', show: ({ from }) => from, csv: ({ from }) => from },
    {
      title: 'State',
      show: (terms) => (isEnd(terms) ? `${terms.state}: none` : terms.state),
      csv: ({ state }) => state,
    },
    { title: 'Off each month', show: words, csv: words },
    {
      title: 'Version',
      note: 'As statements name it; who set it and why',
      show: ({ version, actor, note }) => <span title={`${actor}: ${note}`}>{version}</span>,
      csv: ({ version }) => version,
      isNumber: true,
    },
  ]
}

const endColumn = (
  mayEnd: (terms: StatedTerms) => boolean,
  onEnd: (terms: StatedTerms) => void,
): Column<StatedTerms> => ({
  title: '',
  show: (terms) =>
    terms.state !== 'past' && !isEnd(terms) && mayEnd(terms) ? (
      <RowButton onClick={() => onEnd(terms)}>End</RowButton>
    ) : null,
  isNumber: true,
})
