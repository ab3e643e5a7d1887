/** The demonstration: one team floods the pool, first without and then with fair sharing. */
import { useMutation } from '@tanstack/react-query'
import { lazy, Suspense } from 'react'
import { change } from '../api/client.ts'
import type { DemoRow, DemoView } from '../api/contract.ts'
import { useCalmFeed } from '../api/live.ts'
import { Button } from '../parts/button.tsx'
import { Card } from '../parts/card.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { ExportButton } from '../parts/export-button.tsx'

const DemoTable = lazy(() => import('./demo-table.tsx'))

const halves = { fcfs: 'first come, first served', fair: 'fair sharing' } as const

export function Demo({ mayRun }: { mayRun: boolean }) {
  const { floor, state } = useCalmFeed()
  const start = useMutation({ mutationFn: () => change<DemoView>('POST', '/api/demo') })
  const cancel = useMutation({ mutationFn: () => change<DemoView>('DELETE', '/api/demo') })
  const demo = floor?.demo ?? null
  const isRunning = demo?.state === 'running'
  const error = start.error ?? cancel.error
  if (demo === null && !mayRun) return null
  return (
    <Card
      title="What a neighbour costs"
      note={demo === null ? undefined : stateInWords(demo)}
      isStale={state.kind === 'lost' && isRunning}
      actions={demo !== null && <DemoExport rows={demo.rows} />}
    >
      {demo === null && (
        <p className="max-w-[70ch] text-soft">
          Three tenants share the pool for two minutes: one keeps 64 requests in flight, one chats,
          one is light. The first minute serves in order of arrival, the second by weight. The table
          that appears here shows what that changes for each of them.
        </p>
      )}
      {demo !== null && (
        <Suspense fallback={null}>
          <DemoTable rows={demo.rows} />
        </Suspense>
      )}
      {error !== null && (
        <div className="mt-3">
          <ErrorNote error={error} />
        </div>
      )}
      {mayRun && (
        <div className="mt-3 flex flex-wrap items-center gap-x-4 gap-y-2">
          {isRunning ? (
            <Button onClick={() => cancel.mutate()} disabled={cancel.isPending}>
              Stop the demo
            </Button>
          ) : (
            <Button
              look={demo === null ? 'main' : 'plain'}
              onClick={() => start.mutate()}
              disabled={start.isPending || state.kind !== 'live'}
              title="It puts real load on this pool for two minutes"
            >
              {demo === null ? 'Run the demo, 2 min of real load' : 'Run it again, 2 min'}
            </Button>
          )}
          <CliCommand command="gristmill demo" />
        </div>
      )}
    </Card>
  )
}

function stateInWords({ state, half, secondsLeft }: DemoView): string {
  if (state === 'running') return `${halves[half]}, ${Math.ceil(secondsLeft)} s left in this half`
  return state === 'done' ? 'two halves of 60 s, same load' : 'stopped before its end'
}

function DemoExport({ rows }: { rows: readonly DemoRow[] }) {
  const header = [
    'Tenant',
    'Order',
    'Requests',
    'Unfinished',
    'First token p50 ms',
    'First token p99 ms',
    'At least',
    'Output tokens',
    'Share',
  ]
  const cells = (row: DemoRow) => [
    row.tenant,
    halves[row.half],
    row.requests,
    row.unfinished,
    row.ttftP50Ms,
    row.ttftP99Ms,
    row.ttftP99AtLeast,
    row.outputTokens,
    row.share,
  ]
  return <ExportButton name="demo" header={header} rows={() => rows.map(cells)} />
}
