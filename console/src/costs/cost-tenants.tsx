/** What each tenant pays, by what for; a row opens its lines. */
import { Link, useSearchParams } from 'wouter'
import type { ChargebackView, ChargedTenantView, ChargeLineView } from '../api/contract.ts'
import { address, useTenantNames } from '../api/lists.ts'
import { useMay } from '../api/session.ts'
import { CliCommand } from '../parts/cli-command.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { money, nanosOf } from '../parts/money.ts'
import { NOTHING } from '../parts/table-looks.ts'
import { withParameter } from '../parts/tenant-filter.tsx'
import { TenantName } from '../parts/tenant-name.tsx'
import { compact, count, rate } from '../units.ts'
import { byCause, partsOf } from './cost-sums.ts'
import { type CostSpan, monthName } from './cost-view.ts'
import { causeInWords, definitions, endInWords } from './cost-words.ts'

export interface CostTenantsProps {
  span: CostSpan
  view: ChargebackView | undefined
  error: unknown
  onRetry: () => void
  currency: string
}

interface Row extends ChargedTenantView {
  parts: ReturnType<typeof partsOf>
}

export function CostTenants({ span, view, error, onRetry, currency }: CostTenantsProps) {
  const columns = useColumns(span)
  const rows = view?.tenants
    .map((tenant): Row => ({ ...tenant, parts: partsOf(tenant) }))
    .sort((a, b) => (nanosOf(a.total) < nanosOf(b.total) ? 1 : -1))
  return (
    <DataTable
      title="By tenant"
      note={`${currency}, ${monthName(span.month)}${span.isRunning ? ' so far' : ''}`}
      name={`costs-${span.month}`}
      columns={columns}
      rows={rows}
      rowId={({ tenantId }) => tenantId}
      error={error}
      onRetry={onRetry}
      empty={`Nobody used an engine in ${monthName(span.month)}.`}
      footer={
        <CliCommand
          className="mt-3"
          command={`gristmill ledger chargeback --from ${span.from} --to ${span.to} --rule ${span.rule}`}
        />
      }
    />
  )
}

function useColumns(span: CostSpan): Column<Row>[] {
  const names = useTenantNames()
  const [, setSearch] = useSearchParams()
  const nameOf = ({ tenantId }: Row) => names.get(tenantId)?.name ?? tenantId
  const part = (title: string, name: keyof Row['parts'], note: string): Column<Row> => ({
    title,
    note,
    show: (row) => {
      const nanos = row.parts[name]
      if (nanos === 0n) return NOTHING
      const kinds = row.lines.filter(({ kind }) => kind === name)
      return <span title={causesInWords(kinds)}>{money(nanos)}</span>
    },
    csv: (row) => exact(row.parts[name]),
    isNumber: true,
  })
  return [
    {
      title: 'Tenant',
      show: (row) => (
        <button
          type="button"
          aria-pressed={span.tenant === row.tenantId}
          title="Its lines"
          onClick={() => setSearch(withParameter('tenant', row.tenantId), { replace: true })}
          className="max-w-full underline-offset-2 hover:underline"
        >
          <TenantName name={nameOf(row)} hue={names.get(row.tenantId)?.hue ?? -1} />
        </button>
      ),
      csv: nameOf,
    },
    {
      title: 'Pays',
      note: 'All of the following, exact to the nano-unit in the CSV',
      show: ({ total }) => <strong className="font-[580]">{money(nanosOf(total))}</strong>,
      csv: ({ total }) => total,
      isNumber: true,
    },
    part('Entitled', 'entitled', definitions.entitled),
    part('Borrowed', 'borrowed', definitions.borrowed),
    part('Wasted', 'wasted', definitions.wasted),
    part('Idle share', 'shared', definitions.shared),
    part('Overflow', 'overflow', definitions.overflow),
    {
      title: 'Lent',
      note: definitions.lent,
      show: ({ lentS }) => hours(lentS),
      csv: ({ lentS }) => lentS,
      isNumber: true,
    },
    {
      title: 'Tokens saved',
      note: definitions.saved,
      show: ({ cachedTokens, hitTokens }) => {
        const words = `${count(cachedTokens)} cached prompt tokens, ${count(hitTokens)} tokens of kept answers`
        return <span title={words}>{compact(cachedTokens + hitTokens)}</span>
      },
      csv: ({ cachedTokens, hitTokens }) => cachedTokens + hitTokens,
      isNumber: true,
    },
    {
      title: '',
      show: ({ tenantId }) => <RequestsLink span={span} tenantId={tenantId} />,
      isNumber: true,
    },
  ]
}

function RequestsLink({ span, tenantId }: { span: CostSpan; tenantId: string }) {
  if (!useMay('requests:read')) return null
  const { from, to } = span
  return (
    <Link
      href={address('/requests', { tenant: tenantId, from, to })}
      className="text-[0.78rem] text-accent underline-offset-2 hover:underline"
    >
      Requests
    </Link>
  )
}

/** All in one unit, which people compare. */
const hours = (s: number) => (s === 0 ? NOTHING : `${rate(s / 3600)}\u00a0h`)

const exact = (nanos: bigint) => Number(nanos) / 1e9

function causesInWords(lines: readonly ChargeLineView[]): string {
  return byCause(lines)
    .filter(([cause]) => cause !== '')
    .map(([cause, nanos]) => `${causeInWords(cause)} ${money(nanos)}`)
    .join(', ')
}

/** The lines of one tenant, as they would stand on its statement. */
export function TenantLines({ span, view, currency }: Omit<CostTenantsProps, 'error' | 'onRetry'>) {
  const name = useTenantNames().get(span.tenant ?? '')?.name ?? span.tenant ?? ''
  const found = view?.tenants.find(({ tenantId }) => tenantId === span.tenant)
  const engines = new Map(view?.engines.map(({ engineId, name: of }) => [engineId, of]))
  const rented = (found?.overflow ?? []).map(({ target, model, requests, amount, byClass }) => {
    const what = `Rented work: ${model}, ${count(requests)} requests`
    return { id: `${target} ${model}`, source: target, what, engineS: null, amount, byClass }
  })
  const lines = (found?.lines ?? []).map(({ engineId, kind, cause, engineS, amount, byClass }) => {
    const what = cause === '' ? endInWords(kind) : endInWords(`${kind} ${cause}`)
    const source = engines.get(engineId) ?? engineId
    return { id: `${engineId} ${kind} ${cause}`, source, what, engineS, amount, byClass }
  })
  return (
    <DataTable
      title={`What ${name} pays for`}
      note={`${currency}, ${monthName(span.month)}`}
      name={`costs-${span.month}-${span.tenant}`}
      columns={[
        { title: 'Cost of', show: ({ source }) => source, csv: ({ source }) => source },
        { title: 'What for', show: ({ what }) => what, csv: ({ what }) => what },
        {
          title: 'Classes',
          note: 'By service units settled there',
          show: ({ byClass }) => classesInWords(byClass),
          csv: ({ byClass }) => classesInWords(byClass),
        },
        {
          title: 'Engine time',
          show: ({ engineS }) => hours(engineS ?? 0),
          csv: ({ engineS }) => engineS,
          isNumber: true,
        },
        {
          title: 'Amount',
          show: ({ amount }) => <span title={amount}>{money(nanosOf(amount))}</span>,
          csv: ({ amount }) => amount,
          isNumber: true,
        },
      ]}
      rows={view && [...lines, ...rented]}
      rowId={({ id }) => id}
      empty={`${name} paid for nothing in ${monthName(span.month)}.`}
      footer={
        span.tenant !== undefined && (
          <p className="mt-3">
            <RequestsLink span={span} tenantId={span.tenant} />
          </p>
        )
      }
    />
  )
}

function classesInWords(byClass: Record<string, string>): string {
  const classes = Object.entries(byClass).filter(([, amount]) => amount !== '0')
  const [only] = classes
  if (only === undefined) return NOTHING
  if (classes.length === 1) return only[0]
  return classes.map(([name, amount]) => `${name} ${money(nanosOf(amount))}`).join(', ')
}
