/** Bills of services beside the ledger: what was reconciled, and the lines of one of them. */
import { Link, useSearchParams } from 'wouter'
import type { DifferenceClassName, ReconciliationView } from '../api/contract.ts'
import { usePaged } from '../api/lists.ts'
import { useSignedIn } from '../api/session.ts'
import { CliCommand } from '../parts/cli-command.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { money, sumOf } from '../parts/money.ts'
import { NextPage } from '../parts/next-page.tsx'
import { PageHead } from '../parts/page-head.tsx'
import { RowButton } from '../parts/row-button.tsx'
import { NOTHING } from '../parts/table-looks.ts'
import { withParameter } from '../parts/tenant-filter.tsx'
import { count, moment, plural } from '../units.ts'
import { BillLines } from './bill-lines.tsx'
import { classWords } from './class-words.ts'

export default function Bills() {
  const [search, setSearch] = useSearchParams()
  const list = usePaged<ReconciliationView>('/api/ledger/reconciliations', {})
  const rows = list.data?.pages.flatMap((page) => page.rows)
  const asked = Number(search.get('id'))
  const chosen = rows?.find(({ id }) => id === asked) ?? rows?.[0]
  const { currency } = useSignedIn().session
  const choose = (id: number) => setSearch(withParameter('id', String(id)))
  return (
    <>
      <PageHead
        sentence={sentence(rows, list.hasNextPage)}
        isLost={rows === undefined && list.error !== null}
        context={
          <>
            What services billed beside what rented targets did, by day, model and key. Differences
            above the threshold keep their days from being closed into{' '}
            <Link href="/statements" className="text-accent hover:underline">
              statements
            </Link>{' '}
            until each is booked as a variance.
          </>
        }
      />
      <div className="grid gap-4">
        <DataTable
          title="Reconciliations"
          note={`the newest first; days are of UTC, amounts in ${currency}`}
          name="reconciliations"
          columns={columnsOf(chosen?.id, choose)}
          rows={rows}
          rowId={({ id }) => String(id)}
          error={list.error}
          onRetry={() => void list.refetch()}
          empty="Reconciliations appear here once a service’s CSV or FOCUS file is compared with the ledger, which the command line does."
          footer={
            <>
              <NextPage list={list} isAlone>
                Older ones
              </NextPage>
              <CliCommand
                className="mt-3"
                command="gristmill ledger reconcile --source november.csv --threshold 0.01"
              />
            </>
          }
        />
        {chosen !== undefined && <BillLines key={chosen.id} of={chosen} currency={currency} />}
      </div>
    </>
  )
}

function sentence(rows: readonly ReconciliationView[] | undefined, hasMore: boolean): string {
  if (rows === undefined) return 'Looking up the bills.'
  const [newest] = rows
  if (newest === undefined) return 'No bill of a service was compared with the ledger yet.'
  const blocking = rows.reduce((sum, row) => sum + row.blocking, 0)
  const of = hasMore ? 'of the newest bills' : `of ${plural(rows.length, 'bill')}`
  const last = `the newest is ${newest.source}.`
  if (blocking === 0) return `Nothing ${of} keeps a period open; ${last}`
  return `${plural(blocking, 'difference')} ${of} ${blocking === 1 ? 'keeps its period' : 'keep their periods'} open; ${last}`
}

const linesIn = ({ classes }: ReconciliationView, name: DifferenceClassName) =>
  classes.find((one) => one.class === name)?.lines ?? 0

function columnsOf(
  chosen: number | undefined,
  choose: (id: number) => void,
): Column<ReconciliationView>[] {
  const classColumn = (name: DifferenceClassName): Column<ReconciliationView> => ({
    title: classWords[name].title,
    note: `Lines: ${classWords[name].meaning}`,
    show: (row) => (linesIn(row, name) === 0 ? NOTHING : count(linesIn(row, name))),
    csv: (row) => linesIn(row, name),
    isNumber: true,
  })
  return [
    {
      title: 'Bill',
      show: ({ id, source, sha256, actor, at }) => (
        <span title={`SHA-256 of the file ${sha256}; by ${actor}, ${moment(at)}`}>
          <RowButton onClick={() => choose(id)} aria-pressed={id === chosen}>
            {`${source}, number ${id}`}
          </RowButton>
          {id === chosen && <span className="text-soft"> shown below</span>}
        </span>
      ),
      csv: ({ id, source }) => `${source} ${id}`,
    },
    {
      title: 'Days',
      note: 'The second is not in it',
      show: ({ fromDay, toDay }) => `${fromDay} to ${toDay}`,
      csv: ({ fromDay, toDay }) => `${fromDay} ${toDay}`,
    },
    ...(['matched', 'missing_here', 'missing_there', 'price', 'tokens'] as const).map(classColumn),
    {
      title: 'Difference',
      note: 'What was billed above what the ledger has, of all lines',
      show: ({ classes }) => money(sumOf(classes.map(({ difference }) => difference))),
      csv: ({ classes }) => Number(sumOf(classes.map(({ difference }) => difference))) / 1e9,
      isNumber: true,
    },
    {
      title: 'To book',
      note: 'Lines above the threshold that nobody has booked',
      show: ({ blocking }) =>
        blocking === 0 ? NOTHING : <span className="text-warn">{count(blocking)}</span>,
      csv: ({ blocking }) => blocking,
      isNumber: true,
    },
  ]
}
