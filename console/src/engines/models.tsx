/** The names that clients can ask for, and who serves each. */
import type { EngineView, ModelView } from '../api/contract.ts'
import { useModels } from '../api/lists.ts'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { count } from '../units.ts'

export function Models({ engines }: { engines: readonly EngineView[] | undefined }) {
  const { data: models, error, refetch } = useModels()
  const nameOf = (id: string) => engines?.find((engine) => engine.id === id)?.name ?? id
  const columns: Column<ModelView>[] = [
    {
      title: 'Model',
      show: ({ name, toy, embedsOnly }) =>
        `${name}${toy ? ' (toy: its answers are noise)' : ''}${embedsOnly ? ' (embeds texts)' : ''}`,
      csv: ({ name }) => name,
    },
    {
      title: 'Served by',
      show: ({ engines: ids }) => ids.map(nameOf).join(', '),
      csv: ({ engines: ids }) => ids.map(nameOf).join(' '),
    },
    {
      title: 'Context',
      note: 'Longest prompt and answer together, tokens',
      show: ({ contextTokens }) =>
        contextTokens === null ? 'unknown' : `${count(contextTokens)} tokens`,
      csv: ({ contextTokens }) => contextTokens,
      isNumber: true,
    },
  ]
  return (
    <DataTable
      title="Models"
      note="what clients can ask for right now"
      name="models"
      columns={columns}
      rows={models}
      rowId={({ name }) => name}
      error={error}
      onRetry={() => void refetch()}
      empty="Models appear as soon as an engine that serves one is up."
    />
  )
}
