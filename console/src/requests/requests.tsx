/** Requests as the ledger knows them; never what was asked or answered. */
import { Link, useSearchParams } from 'wouter'
import type { RequestView } from '../api/contract.ts'
import { keyName } from '../api/key-names.ts'
import { useKeys, usePaged, useTenantNames } from '../api/lists.ts'
import { Button } from '../parts/button.tsx'
import { ClassTag } from '../parts/class-tag.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { NextPage } from '../parts/next-page.tsx'
import { PageHead } from '../parts/page-head.tsx'
import { TenantFilter, withParameter } from '../parts/tenant-filter.tsx'
import { TenantName } from '../parts/tenant-name.tsx'
import { clockTime, count, duration, moment } from '../units.ts'
import { endInWords, isFailure, unitsOf } from './ends.ts'
import { requestsSentence } from './requests-sentence.ts'

export default function Requests() {
  const [search, setSearch] = useSearchParams()
  const filter = {
    tenant: search.get('tenant') ?? undefined,
    key: search.get('key') ?? undefined,
    session: search.get('session') ?? undefined,
    model: search.get('model') ?? undefined,
    from: search.get('from') ?? undefined,
    to: search.get('to') ?? undefined,
  }
  const list = usePaged<RequestView>('/api/requests', filter)
  const listed = list.data?.pages.flatMap((page) => page.rows)
  // One that ended between two pages is on both.
  const rows = listed && [...new Map(listed.map((row) => [row.id, row])).values()]
  const names = useTenantNames()
  const keys = useKeys(filter.tenant).data
  const chips = [
    { name: 'key', value: filter.key, words: keyName(filter.key ?? '', keys) },
    { name: 'session', value: filter.session, words: filter.session?.slice(0, 12) },
    { name: 'model', value: filter.model, words: filter.model },
    { name: 'from', value: filter.from, words: filter.from && moment(filter.from) },
    { name: 'to', value: filter.to, words: filter.to && moment(filter.to) },
  ].filter(({ value }) => value !== undefined)
  return (
    <>
      <PageHead
        sentence={requestsSentence(rows, filter.tenant !== undefined || chips.length > 0)}
        isLost={rows === undefined && list.error !== null}
        context="From the ledger: tokens, times and how it ended. Prompts and answers are not kept."
        aside={
          <>
            {chips.map(({ name, words }) => (
              <Button
                key={name}
                title="Show all again"
                onClick={() => setSearch(withParameter(name, ''), { replace: true })}
              >
                {name} {words} <span aria-hidden>×</span>
              </Button>
            ))}
            <TenantFilter />
            <Button onClick={() => void list.refetch()} disabled={list.isFetching}>
              Refresh
            </Button>
          </>
        }
      />
      <DataTable
        title="Requests"
        note={
          filter.from === undefined && filter.to === undefined
            ? 'running first, then the last that ended'
            : 'the last that ended first'
        }
        name="requests"
        columns={columns((id) => names.get(id))}
        rows={rows}
        rowId={({ id }) => id}
        error={list.error}
        onRetry={() => void list.refetch()}
        empty={
          <>
            No request here yet. Try one in the{' '}
            <Link href="/playground" className="text-accent underline">
              playground
            </Link>
            , or point any OpenAI SDK at this pool.
          </>
        }
        footer={
          <NextPage list={list} isAlone>
            Older requests
          </NextPage>
        }
      />
    </>
  )
}

type Named = { name: string; hue: number } | undefined

function columns(tenantOf: (id: string) => Named): Column<RequestView>[] {
  return [
    {
      title: 'Arrived',
      show: ({ id, arrivedAt }) => (
        <Link
          href={`/requests/${id}`}
          title={`${moment(arrivedAt)}, ${id}`}
          className="text-accent underline-offset-2 hover:underline"
        >
          {isToday(arrivedAt) ? clockTime(arrivedAt) : moment(arrivedAt)}
        </Link>
      ),
      csv: ({ arrivedAt }) => arrivedAt,
    },
    {
      title: 'Tenant',
      show: ({ tenantId }) => {
        const tenant = tenantOf(tenantId)
        return <TenantName name={tenant?.name ?? tenantId} hue={tenant?.hue ?? -1} />
      },
      csv: ({ tenantId }) => tenantOf(tenantId)?.name ?? tenantId,
    },
    {
      title: 'Class',
      note: 'The class it was served as',
      show: (row) => <ClassTag name={row.servedClass ?? row.serviceClass} />,
      csv: (row) => row.servedClass ?? row.serviceClass,
    },
    {
      title: 'Model',
      show: ({ model }) => model,
      csv: ({ model }) => model,
    },
    {
      title: 'Ended',
      show: (row) => <span className={endLook(row)}>{endInWords(row)}</span>,
      csv: ({ end }) => end,
    },
    {
      title: 'In',
      note: 'Prompt tokens',
      show: ({ inputTokens }) => count(inputTokens),
      csv: ({ inputTokens }) => inputTokens,
      isNumber: true,
    },
    {
      title: 'Out',
      note: 'Output tokens; ~ where they were counted from frames',
      show: ({ outputTokens, estimated }) => `${estimated ? '~ ' : ''}${count(outputTokens)}`,
      csv: ({ outputTokens }) => outputTokens,
      isNumber: true,
    },
    {
      title: 'Units',
      note: 'Service units: uncached input tokens + 2 × output tokens',
      show: (row) => count(unitsOf(row)),
      csv: unitsOf,
      isNumber: true,
    },
    {
      title: 'Queued',
      show: ({ queueMs }) => (queueMs === null ? '–' : duration(queueMs)),
      csv: ({ queueMs }) => queueMs,
      isNumber: true,
    },
    {
      title: 'First token',
      note: 'From arrival to the first content',
      show: ({ ttftMs }) => (ttftMs === null ? '–' : duration(ttftMs)),
      csv: ({ ttftMs }) => ttftMs,
      isNumber: true,
    },
  ]
}

function endLook(row: RequestView): string {
  if (isFailure(row)) return 'text-bad'
  if (row.group === null) return 'text-soft'
  return row.group === 'finished' ? '' : 'text-warn'
}

const isToday = (at: string) => new Date(at).toDateString() === new Date().toDateString()
