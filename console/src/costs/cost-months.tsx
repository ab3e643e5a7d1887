/** What months cost: a bar for each, which chooses it; the running one with its forecast. */
import { useSearchParams } from 'wouter'
import type { CostTrendView } from '../api/contract.ts'
import { Card } from '../parts/card.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { LoadingRows } from '../parts/loading.tsx'
import { money, nanosOf, shortMoney } from '../parts/money.ts'
import { withParameter } from '../parts/tenant-filter.tsx'
import { monthName, shortMonth } from './cost-view.ts'

export interface CostMonthsProps {
  trend: CostTrendView | undefined
  error: unknown
  onRetry: () => void
  month: string
  currency: string
}

type Month = CostTrendView['months'][number]

const totalOf = ({ used, idle, rented }: Month) => nanosOf(used) + nanosOf(idle) + nanosOf(rented)

export function CostMonths({ trend, error, onRetry, month, currency }: CostMonthsProps) {
  const forecast = trend?.forecast
  const high = Number(nanosOf(forecast?.month?.high ?? '0'))
  const most = Math.max(high, ...(trend?.months ?? []).map((one) => Number(totalOf(one))))
  return (
    <Card title="By month" note={`${currency}, months in UTC`}>
      {error != null && <ErrorNote error={error} onRetry={onRetry} />}
      {trend === undefined && error == null && <LoadingRows />}
      {trend !== undefined && most === 0 && (
        <p className="py-2 text-soft">Months appear here once an engine has a cost and has run.</p>
      )}
      {trend !== undefined && most > 0 && (
        <>
          <div className="flex items-stretch gap-1 sm:gap-2">
            {trend.months.map((one) => (
              <MonthBar
                key={one.fromAt}
                month={one}
                most={most}
                isChosen={one.fromAt.startsWith(month)}
                forecast={one.fromAt === trend.forecast.fromAt ? trend.forecast : undefined}
                currency={currency}
              />
            ))}
          </div>
          <p className="mt-3 flex flex-wrap gap-x-4 gap-y-1 text-[0.75rem] text-soft">
            <Key look="bg-accent" words="engines at work" />
            <Key look="hatched" words="engines idle or down" />
            <Key look="bg-edge" words="rented services" />
            <Key look="border border-dashed border-edge" words="forecast" />
          </p>
          <p className="mt-2 text-[0.78rem] text-soft">
            {forecastInWords(trend.forecast, currency)}
          </p>
        </>
      )}
    </Card>
  )
}

const Key = ({ look, words }: { look: string; words: string }) => (
  <span className="inline-flex items-center gap-1.5">
    <i aria-hidden className={`inline-block size-[9px] rounded-[3px] ${look}`} /> {words}
  </span>
)

interface MonthBarProps {
  month: Month
  /** What fills the height, nanos. */
  most: number
  isChosen: boolean
  forecast: CostTrendView['forecast'] | undefined
  currency: string
}

function MonthBar({ month, most, isChosen, forecast, currency }: MonthBarProps) {
  const [, setSearch] = useSearchParams()
  const { fromAt, used, idle, rented } = month
  const total = totalOf(month)
  const share = (nanos: bigint) => `${most === 0 ? 0 : (Number(nanos) / most) * 100}%`
  const expected = forecast?.month == null ? total : nanosOf(forecast.month.expected)
  const rest = expected > total ? expected - total : 0n
  const name = monthName(fromAt)
  const isJanuary = fromAt.slice(5, 7) === '01'
  const words = [
    `${name}: ${money(total, currency)}`,
    `engines at work ${money(nanosOf(used))}, idle or down ${money(nanosOf(idle))}`,
    `rented services ${money(nanosOf(rented))}`,
  ]
  return (
    <button
      type="button"
      title={words.join('\n')}
      aria-label={words.join('; ')}
      aria-pressed={isChosen}
      onClick={() => setSearch(withParameter('month', fromAt.slice(0, 7)), { replace: true })}
      className={`max-w-24 min-w-0 flex-1 rounded-md px-0.5 py-1 ${isChosen ? 'bg-sunk' : ''}`}
    >
      <span className="relative mx-auto flex h-40 max-w-12 flex-col justify-end">
        <i
          aria-hidden
          style={{ height: share(rest) }}
          className={rest > 0n ? 'rounded-t-[3px] border border-b-0 border-dashed border-edge' : ''}
        />
        <i aria-hidden style={{ height: share(nanosOf(rented)) }} className="bg-edge" />
        <i aria-hidden style={{ height: share(nanosOf(idle)) }} className="hatched" />
        <i aria-hidden style={{ height: share(nanosOf(used)) }} className="bg-accent" />
      </span>
      <span className="mt-1 block truncate text-[0.72rem] text-soft tabular-nums">
        {shortMonth(fromAt)}
        {isJanuary && ` ${fromAt.slice(2, 4)}`}
      </span>
      <span className="hidden truncate text-[0.75rem] tabular-nums sm:block">
        {shortMoney(total)}
      </span>
    </button>
  )
}

export function forecastInWords(
  { month, days, fromAt }: CostTrendView['forecast'],
  currency: string,
): string {
  const name = monthName(fromAt)
  if (month === null) {
    const seen = days === 1 ? 'one whole day was' : `${days} whole days were`
    return `Too little data to say what ${name} will come to: ${seen} seen, a forecast needs seven.`
  }
  const [low, high] = [money(nanosOf(month.low)), money(nanosOf(month.high), currency)]
  return `${name} will come to about ${money(nanosOf(month.expected), currency)}, nine times out of ten between ${low} and ${high}: what it cost so far, and days like the last ${days} with their weekdays.`
}
