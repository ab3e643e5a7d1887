/** The months that there are, the one that goes first on top; and those that went. */
import type { DroppedMonthView, KeptMonthView, RetentionView } from '../api/contract.ts'
import { CliCommand } from '../parts/cli-command.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { money, nanosOf } from '../parts/money.ts'
import { bytes, compact, count, day } from '../units.ts'
import { filledMonths, lastMonthOf, monthInWords, requestsOf } from './retention-words.ts'

export interface KeptMonthsProps {
  view: RetentionView | undefined
  error: unknown
  onRetry: () => void
}

export function KeptMonths({ view, error, onRetry }: KeptMonthsProps) {
  const rows = view && filledMonths(view)
  const keptBy = view?.requests.next?.keptBy
  return (
    <DataTable
      title="Requests by month"
      note="of their arrival, UTC; the one that goes first on top"
      name="kept-months"
      columns={columnsFor(rows ?? [])}
      rows={rows}
      rowId={({ untilAt }) => untilAt}
      error={error}
      onRetry={onRetry}
      empty="Months appear here with their first request, and when they go."
      footer={
        <>
          {rows !== undefined && rows.length > 0 && keptBy != null && (
            <p className="mt-3 text-soft">
              The oldest cannot go before all of it is closed. {keptBy}
            </p>
          )}
          <CliCommand className="mt-3" command="gristmill retention" />
        </>
      }
    />
  )
}

function columnsFor(rows: readonly KeptMonthView[]): Column<KeptMonthView>[] {
  const most = Math.max(1, ...rows.map((month) => month.bytes))
  return [
    {
      title: 'Month',
      show: (month) => <span className="first-letter:uppercase">{monthInWords(month)}</span>,
      csv: ({ untilAt }) => lastMonthOf(untilAt),
    },
    {
      title: 'Requests',
      note: 'Where there are many, PostgreSQL’s estimate, which says about',
      show: (month) => requestsOf([month], ''),
      csv: ({ requests }) => requests,
      isNumber: true,
    },
    {
      title: 'On disk',
      note: 'Indexes included; the bar is its part of the largest month',
      show: (month) => (
        <span className="inline-flex items-center gap-3">
          <span aria-hidden className="hidden h-1.5 w-32 rounded-full bg-sunk sm:block">
            <span
              className="block h-full rounded-full bg-(--grain-1)"
              style={{ width: `${Math.max(2, (100 * month.bytes) / most)}%` }}
            />
          </span>
          <span className="min-w-14">{bytes(month.bytes)}</span>
        </span>
      ),
      csv: (month) => month.bytes,
      isNumber: true,
    },
    {
      title: 'Goes',
      note: 'Within an hour after that moment, if all of it is closed',
      show: ({ dueAt }) => day(dueAt),
      csv: ({ dueAt }) => dueAt,
      isNumber: true,
    },
  ]
}

export function DroppedMonths({ view }: { view: RetentionView }) {
  return (
    <DataTable
      title="What went"
      note="what it came to stays in hours and on statements; newest first"
      name="dropped-months"
      columns={dropColumns(view.currency)}
      rows={view.requests.dropped}
      rowId={({ untilAt }) => untilAt}
      empty="Months that went appear here with what they came to. Each is in the audit log as well."
    />
  )
}

function dropColumns(currency: string): Column<DroppedMonthView>[] {
  return [
    {
      title: 'Until the end of',
      show: ({ untilAt }) => lastMonthOf(untilAt),
      csv: ({ untilAt }) => untilAt,
    },
    {
      title: 'Requests',
      show: ({ requests }) => count(requests),
      csv: ({ requests }) => requests,
      isNumber: true,
    },
    {
      title: 'Tokens in',
      show: ({ inputTokens }) => compact(inputTokens),
      csv: ({ inputTokens }) => inputTokens,
      isNumber: true,
    },
    {
      title: 'Tokens out',
      show: ({ outputTokens }) => compact(outputTokens),
      csv: ({ outputTokens }) => outputTokens,
      isNumber: true,
    },
    {
      title: 'Rented services',
      note: 'What they asked for these requests',
      show: ({ spend }) => money(nanosOf(spend), currency),
      csv: ({ spend }) => spend,
      isNumber: true,
    },
    {
      title: 'Charged',
      note: 'What tenants are charged for them',
      show: ({ charge }) => money(nanosOf(charge), currency),
      csv: ({ charge }) => charge,
      isNumber: true,
    },
    { title: 'Went', show: ({ at }) => day(at), csv: ({ at }) => at, isNumber: true },
  ]
}
