/** What a month cost, where it went and who pays: engines, classes, tenants, waste and idle. */
import { useQuery } from '@tanstack/react-query'
import { Link, useSearchParams } from 'wouter'
import { get } from '../api/client.ts'
import type { ChargebackView, CostTrendView } from '../api/contract.ts'
import { address, useTenantNames } from '../api/lists.ts'
import { useSignedIn } from '../api/session.ts'
import { linkButtonClass } from '../parts/button.tsx'
import { Card } from '../parts/card.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { controlClass } from '../parts/field.tsx'
import { Figure, Figures } from '../parts/figure.tsx'
import { LoadingRows } from '../parts/loading.tsx'
import { money, nanosOf } from '../parts/money.ts'
import { PageHead } from '../parts/page-head.tsx'
import { withParameter } from '../parts/tenant-filter.tsx'
import { duration, listed, percent, plural } from '../units.ts'
import { Compared } from './compared.tsx'
import { CostFlow } from './cost-flow.tsx'
import { CostMonths } from './cost-months.tsx'
import { type CostSums, sumsOf } from './cost-sums.ts'
import { CostTenants, TenantLines } from './cost-tenants.tsx'
import { type CostSpan, costSpanOf, dayName, monthName, rules } from './cost-view.ts'

const REFRESH_MS = 60_000

export default function Costs() {
  const [search] = useSearchParams()
  const span = costSpanOf(search, Date.now())
  const { currency } = useSignedIn().session
  const { from, to, rule, month, isRunning } = span
  const query = { from, to, rule }
  const chargeback = useQuery<ChargebackView>({
    // The running month is looked up again as it goes on; what is shown stays until then.
    queryKey: ['/api/chargeback', month, rule, isRunning ? to : ''],
    queryFn: ({ signal }) => get<ChargebackView>(address('/api/chargeback', query), signal),
    refetchInterval: isRunning ? REFRESH_MS : false,
    placeholderData: (before) =>
      before?.fromAt === from && before.rule === rule ? before : undefined,
  })
  const trend = useQuery({
    queryKey: ['/api/costs'],
    queryFn: ({ signal }) => get<CostTrendView>('/api/costs', signal),
  })
  const view = chargeback.data
  const sums = view && sumsOf(view)
  const retry = () => void chargeback.refetch()
  const hasCost = sums !== undefined && sums.cost > 0n
  const isLost = view === undefined && chargeback.error !== null
  const isTrendLost = trend.data === undefined && trend.error !== null
  const parts = { span, view, sums, trend: trend.data, currency, isLost, isTrendLost }
  return (
    <>
      <Head {...parts} />
      <div className="grid gap-4">
        {view !== undefined && <Uncosted view={view} />}
        <CostFigures {...parts} />
        {view === undefined && (
          <Card title="Where it went">
            {chargeback.error === null ? (
              <LoadingRows rows={8} />
            ) : (
              <ErrorNote error={chargeback.error} onRetry={retry} />
            )}
          </Card>
        )}
        {view !== undefined && hasCost && <CostFlow view={view} sums={sums} currency={currency} />}
        <CostMonths
          trend={trend.data}
          error={trend.error}
          onRetry={() => void trend.refetch()}
          month={month}
          currency={currency}
        />
        <CostTenants
          span={span}
          view={view}
          error={chargeback.error}
          onRetry={retry}
          currency={currency}
        />
        {span.tenant !== undefined && <TenantLines span={span} view={view} currency={currency} />}
        <Compared span={span} />
      </div>
    </>
  )
}

interface PartProps {
  span: CostSpan
  view: ChargebackView | undefined
  sums: CostSums | undefined
  trend: CostTrendView | undefined
  currency: string
  /** True where `view` does not come, or `trend`. */
  isLost: boolean
  isTrendLost: boolean
}

function Head({ span, view, sums, trend, currency, isLost }: PartProps) {
  const names = useTenantNames()
  const [, setSearch] = useSearchParams()
  const { from, to, rule, month } = span
  const running = new Date().toISOString().slice(0, 7)
  const known = trend?.months.map(({ fromAt }) => fromAt.slice(0, 7)) ?? []
  const months = [...new Set([running, month, ...known])].sort().reverse()
  return (
    <PageHead
      sentence={sentence(span, view, sums, currency, (id) => names.get(id)?.name ?? id)}
      isLost={isLost}
      context={`From ${dayName(from)} ${span.isRunning ? 'until now' : `to the end of ${monthName(month)}`}, UTC. What is billed are closed periods, whose statements never change.`}
      aside={
        <>
          <select
            aria-label="Month"
            value={month}
            onChange={(event) =>
              setSearch(withParameter('month', event.target.value), { replace: true })
            }
            className={`${controlClass} w-auto!`}
          >
            {months.map((one) => (
              <option key={one} value={one}>
                {monthName(one)}
                {one === running && ', running'}
              </option>
            ))}
          </select>
          <select
            aria-label="Who pays for idle engines"
            value={rule}
            onChange={(event) =>
              setSearch(withParameter('rule', event.target.value), { replace: true })
            }
            className={`${controlClass} w-auto!`}
          >
            {Object.entries(rules).map(([name, words]) => (
              <option key={name} value={name}>
                {words}
              </option>
            ))}
          </select>
          <a
            className={linkButtonClass}
            href={address('/api/chargeback', { from, to, rule, format: 'csv' })}
            download
            title="Every line of this month, exact to the nano-unit"
          >
            Lines as CSV
          </a>
        </>
      }
    />
  )
}

function sentence(
  { month, isRunning }: CostSpan,
  view: ChargebackView | undefined,
  sums: CostSums | undefined,
  currency: string,
  nameOf: (id: string) => string,
): string {
  const name = monthName(month)
  if (view === undefined || sums === undefined) return `Adding up ${name}.`
  if (sums.cost === 0n) return `Nothing cost anything in ${name}${isRunning ? ' so far' : ''}.`
  const share = (nanos: bigint) => percent(Number(nanos) / Number(sums.cost))
  const [most] = [...view.tenants].sort((a, b) => (nanosOf(a.total) < nanosOf(b.total) ? 1 : -1))
  const so = isRunning ? 'has cost' : 'cost'
  const head = `${name} ${so} ${money(sums.cost, currency)}${isRunning ? ' so far' : ''}`
  const idle =
    view.unallocated === null ? '' : `; ${share(sums.idle)} of it for engines that nobody used`
  if (most === undefined) return `${head}${idle}.`
  return `${head}${idle}. ${nameOf(most.tenantId)} pays the most, ${share(nanosOf(most.total))}.`
}

function CostFigures(parts: PartProps) {
  const { view, sums, span, currency, isLost } = parts
  const share = (nanos: bigint) =>
    sums === undefined || sums.cost === 0n
      ? ''
      : `${percent(Number(nanos) / Number(sums.cost))} of the cost`
  const pending = isLost ? null : '…'
  const shown = (nanos: bigint | undefined) => (nanos === undefined ? pending : money(nanos))
  const engines = plural(view?.engines.length ?? 0, 'engine')
  return (
    <Figures>
      <Figure
        label={span.isRunning ? 'Cost so far' : 'Cost'}
        value={shown(sums?.cost)}
        unit={currency}
        basis={
          view === undefined ? '' : `${engines}, and ${money(nanosOf(view.overflowCost))} rented`
        }
        definition="What engines cost by the hour while they were watched, and rented services by their prices"
      />
      <Figure
        label="For work"
        value={shown(sums?.worked)}
        unit={currency}
        basis={share(sums?.worked ?? 0n)}
        definition="Engine time of tenants’ requests within and above their shares, and rented work"
      />
      <Figure
        label="For nothing"
        value={shown(sums && sums.idle + sums.wasted)}
        unit={currency}
        basis={
          sums === undefined
            ? ''
            : `idle or down ${money(sums.idle)} · wasted ${money(sums.wasted)}`
        }
        definition="Free places, loading, engines that were down; and work whose answer nobody got"
      />
      <LastFigure {...parts} />
    </Figures>
  )
}

/** What the running month will come to; of a month that is over, how it differs from that before. */
function LastFigure({ span, sums, trend, currency, isTrendLost }: PartProps) {
  if (span.isRunning) {
    const month = trend?.forecast.month ?? null
    const between = month && `${money(nanosOf(month.low))} to ${money(nanosOf(month.high))}`
    const few = trend === undefined ? '' : `too little data: ${trend.forecast.days} of 7 whole days`
    return (
      <Figure
        label={`Until ${dayName(trend?.forecast.toAt ?? span.to)}`}
        value={trend || isTrendLost ? month && money(nanosOf(month.expected)) : '…'}
        unit={currency}
        basis={between === null ? few : `nine times out of ten ${between}`}
        definition="What it cost so far and days like those of the last eight weeks, with weekdays"
      />
    )
  }
  const at = trend?.months.findIndex(({ fromAt }) => fromAt.startsWith(span.month)) ?? -1
  const before = at > 0 ? trend?.months[at - 1] : undefined
  const was = before && nanosOf(before.used) + nanosOf(before.idle) + nanosOf(before.rented)
  const isKnown = was !== undefined && was > 0n && sums !== undefined
  const change = isKnown ? Number(sums.cost - was) / Number(was) : 0
  return (
    <Figure
      label="Against the month before"
      value={isKnown ? `${change > 0 ? '+' : ''}${percent(change)}` : null}
      basis={was === undefined ? 'nothing is known of it' : `it cost ${money(was, currency)}`}
      definition="The cost of the whole month against that of the one before it"
    />
  )
}

/** Engines whose time is counted as free of cost, because nobody said what it costs. */
function Uncosted({ view }: { view: ChargebackView }) {
  const without = view.engines.filter(({ uncostedS }) => uncostedS >= 1)
  if (without.length === 0) return null
  const names = listed(
    without.map(({ name, uncostedS }) => `${name} (${duration(uncostedS * 1000)})`),
  )
  return (
    <p className="rounded-card border border-warn/45 px-4 py-2.5 text-[0.84rem]">
      No cost is set for {names} of this time, so it costs nobody anything here. Set it under{' '}
      <Link href="/engines" className="text-accent underline">
        Engines
      </Link>
      .
    </p>
  )
}
