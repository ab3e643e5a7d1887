/** Who changed what, when and from where. Nothing can change it. */
import { useSearchParams } from 'wouter'
import type { AuditView } from '../api/contract.ts'
import { usePaged, useTenantNames } from '../api/lists.ts'
import { useMayOfAll } from '../api/session.ts'
import { CliCommand } from '../parts/cli-command.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { controlClass } from '../parts/field.tsx'
import { NextPage } from '../parts/next-page.tsx'
import { PageHead } from '../parts/page-head.tsx'
import { TenantFilter, withParameter } from '../parts/tenant-filter.tsx'
import { ago, moment, plural } from '../units.ts'
import { Chain } from './chain.tsx'
import { kinds } from './kinds.ts'

export default function Audit() {
  const [search, setSearch] = useSearchParams()
  const action = search.get('action') ?? ''
  const tenant = search.get('tenant') ?? undefined
  const list = usePaged<AuditView>('/api/audit', { action, tenant })
  const rows = list.data?.pages.flatMap((page) => page.rows)
  const names = useTenantNames()
  const mayCheck = useMayOfAll('audit:read')
  return (
    <>
      <PageHead
        sentence={sentence(rows, list.hasNextPage)}
        isLost={rows === undefined && list.error !== null}
        context="Every change, by people, keys and the command line. Rows are only ever added."
        aside={
          <>
            <select
              aria-label="Kind of change"
              value={action}
              onChange={(event) =>
                setSearch(withParameter('action', event.target.value), { replace: true })
              }
              className={`${controlClass} w-auto!`}
            >
              {kinds.map(({ prefix, words }) => (
                <option key={prefix} value={prefix}>
                  {words}
                </option>
              ))}
            </select>
            <TenantFilter />
          </>
        }
      />
      <DataTable
        title="Changes"
        note="newest first"
        name="audit"
        columns={columns((id) => names.get(id)?.name ?? id)}
        rows={rows}
        rowId={({ id }) => id}
        error={list.error}
        onRetry={() => void list.refetch()}
        empty={
          action === '' && tenant === undefined
            ? 'Nothing has been changed yet. The first change appears here with its author.'
            : 'No change of that kind.'
        }
        footer={
          <div className="mt-3 flex flex-wrap items-center justify-between gap-3">
            <CliCommand
              command={`gristmill audit${action === '' ? '' : ` --action ${action}`} --last 50`}
            />
            <NextPage list={list}>Older changes</NextPage>
          </div>
        }
      />
      {mayCheck && <Chain />}
    </>
  )
}

function sentence(rows: readonly AuditView[] | undefined, hasMore: boolean): string {
  if (rows === undefined) return 'Looking up the changes.'
  const [last] = rows
  if (last === undefined) return 'Nothing to show here.'
  const dayAgo = Date.now() - 86_400_000
  const recent = rows.filter(({ at }) => Date.parse(at) > dayAgo).length
  const atLeast = hasMore && recent === rows.length ? 'at least ' : ''
  const today = recent === 0 ? 'none' : `${atLeast}${recent}`
  return `The last change was ${ago(last.at, Date.now())}, by ${actorInWords(last.actor)}; ${today} in the last 24 hours.`
}

function columns(nameOf: (id: string) => string): Column<AuditView>[] {
  return [
    {
      title: 'When',
      show: ({ at }) => (
        <time dateTime={at} title={at} className="whitespace-nowrap">
          {moment(at)}
        </time>
      ),
      csv: ({ at }) => at,
    },
    { title: 'Who', show: ({ actor }) => actorInWords(actor), csv: ({ actor }) => actor },
    {
      title: 'What',
      show: ({ action }) => <span className="whitespace-nowrap">{action}</span>,
      csv: ({ action }) => action,
    },
    {
      title: 'To',
      show: ({ subject }) => (
        <span title={subject} className="inline-block max-w-[11rem] truncate align-bottom">
          {nameOf(subject)}
        </span>
      ),
      csv: ({ subject }) => subject,
    },
    {
      title: 'Detail',
      show: ({ detail }) => (
        <span className="wrap-anywhere text-soft" title={JSON.stringify(detail)}>
          {inWords(detail)}
        </span>
      ),
      csv: ({ detail }) => JSON.stringify(detail),
    },
    {
      title: 'From',
      note: 'Address that it came from',
      show: ({ from }) => <span className="text-soft">{from}</span>,
      csv: ({ from }) => from,
    },
  ]
}

const SHOWN_MAX = 4

/** `weight 2 → 3 · name Support` */
function inWords(detail: Record<string, unknown>): string {
  const told = Object.entries(detail).filter(([, value]) => plain(value) !== '')
  const parts = told.map(([name, value]) => {
    const isChange = typeof value === 'object' && value !== null && 'from' in value && 'to' in value
    return isChange
      ? `${name} ${plain(value.from) || 'none'} → ${plain(value.to) || 'none'}`
      : `${name} ${plain(value)}`
  })
  const more = parts.length - SHOWN_MAX
  const shown = parts.slice(0, SHOWN_MAX).join(' · ')
  return more > 0 ? `${shown} and ${plural(more, 'more', 'more')}` : shown
}

/** What is not set says nothing. */
function plain(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (Array.isArray(value)) return value.map(plain).join(', ')
  if (typeof value !== 'object') return String(value)
  return Object.entries(value)
    .map(([name, inner]) => [name, plain(inner)])
    .filter(([, words]) => words !== '')
    .map(([name, words]) => `${name} ${words}`)
    .join(', ')
}

/** People are stored as `user:` and their address. */
const actorInWords = (actor: string) => actor.replace(/^user:/, '')
