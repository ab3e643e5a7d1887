/** Versions that there have been, and going back to one, once it is clear what that changes. */
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useChange } from '../api/changes.ts'
import { change, get } from '../api/client.ts'
import type { RouteDraftView, RouteSetView, RouteVersionView } from '../api/contract.ts'
import { usePaged } from '../api/lists.ts'
import { useMay } from '../api/session.ts'
import { Confirm } from '../parts/confirm.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { LoadingRows } from '../parts/loading.tsx'
import { NextPage } from '../parts/next-page.tsx'
import { RowButton } from '../parts/row-button.tsx'
import { NOTHING } from '../parts/table-looks.ts'
import { moment } from '../units.ts'
import { ChangeTable } from './change-table.tsx'
import { ROUTES, useRoutes } from './route-data.ts'
import { guardsInWords } from './route-words.ts'

export function Versions({ current }: { current: number }) {
  const list = usePaged<RouteVersionView>(`${ROUTES}/versions`, {})
  const rows = list.data?.pages.flatMap((page) => page.rows)
  const mayWrite = useMay('routes:write')
  const [chosen, setChosen] = useState<number | null>(null)
  return (
    <>
      <DataTable
        title="Versions"
        note="none is ever changed; going back makes a new one"
        name="route-versions"
        columns={columns(current, mayWrite ? setChosen : undefined)}
        rows={rows}
        rowId={({ version }) => String(version)}
        error={list.error}
        onRetry={() => void list.refetch()}
        empty="The first one comes with the first route."
        footer={
          <NextPage list={list} isAlone>
            Older versions
          </NextPage>
        }
      />
      {chosen !== null && <Rollback version={chosen} onClose={() => setChosen(null)} />}
    </>
  )
}

function columns(
  current: number,
  onChoose: ((version: number) => void) | undefined,
): Column<RouteVersionView>[] {
  return [
    {
      title: 'Version',
      show: ({ version }) => (version === current ? `${version}, holds` : version),
      csv: ({ version }) => version,
    },
    { title: 'Since', show: ({ at }) => moment(at), csv: ({ at }) => at },
    { title: 'By', show: ({ actor }) => actor, csv: ({ actor }) => actor },
    {
      title: 'Note',
      show: ({ note }) => (note === '' ? NOTHING : note),
      csv: ({ note }) => note,
    },
    ...(onChoose
      ? [
          {
            title: '',
            isNumber: true,
            show: ({ version }: RouteVersionView) =>
              version !== current && (
                <RowButton
                  aria-label={`Go back to version ${version}`}
                  onClick={() => onChoose(version)}
                >
                  Go back
                </RowButton>
              ),
          },
        ]
      : []),
  ]
}

function Rollback({ version, onClose }: { version: number; onClose: () => void }) {
  const draft = useQuery({
    queryKey: [`${ROUTES}/draft`, 'version', version],
    queryFn: async ({ signal }) => {
      const { routes, guards } = await get<RouteSetView>(`${ROUTES}/versions/${version}`, signal)
      const view = await change<RouteDraftView>('POST', `${ROUTES}/draft`, { routes, guards })
      return { view, guards }
    },
    gcTime: 0,
  })
  const held = useRoutes().data?.guards
  const rollback = useChange<RouteSetView>([ROUTES], onClose)
  return (
    <Confirm
      title={`Go back to version ${version}?`}
      isOpen
      onClose={onClose}
      action={`Go back to version ${version}`}
      command={`gristmill route rollback --to ${version}`}
      isBusy={rollback.isPending || draft.data === undefined || held === undefined}
      error={rollback.error}
      onConfirm={() =>
        rollback.mutate({ method: 'POST', path: `${ROUTES}/rollback`, body: { version } })
      }
    >
      <p className="mb-3">It holds again at once, as a new version.</p>
      {draft.error !== null && (
        <ErrorNote error={draft.error} onRetry={() => void draft.refetch()} />
      )}
      {draft.isPending && <LoadingRows rows={3} />}
      {draft.data !== undefined && held !== undefined && (
        <ChangeTable draft={draft.data.view} guards={guardsInWords(held, draft.data.guards)} />
      )}
    </Confirm>
  )
}
