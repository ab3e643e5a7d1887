/** One batch: how far, how fast, until when; what was wrong with it; its files; its way out. */
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from 'wouter'
import { get } from '../api/client.ts'
import type { BatchView } from '../api/contract.ts'
import { useTenantNames } from '../api/lists.ts'
import { useMay } from '../api/session.ts'
import { Button } from '../parts/button.tsx'
import { Card } from '../parts/card.tsx'
import { CopyButton } from '../parts/copy-button.tsx'
import { Loading } from '../parts/loading.tsx'
import { LostPage } from '../parts/lost-page.tsx'
import { PageHead } from '../parts/page-head.tsx'
import { clockTime, plural } from '../units.ts'
import { BadLines } from './bad-lines.tsx'
import { BatchFigures } from './batch-figures.tsx'
import { BatchFiles } from './batch-files.tsx'
import { batchSentence, canBeCancelled, isUnderWay, riskOf } from './batch-sentences.ts'
import { CancelBatch } from './cancel-batch.tsx'
import { Particulars } from './particulars.tsx'
import { ProgressBar, ProgressLegend } from './progress-bar.tsx'
import { Timeline } from './timeline.tsx'

const REFRESH_MS = 1000

export default function Batch({ id }: { id: string }) {
  const { data, error, refetch, dataUpdatedAt } = useQuery({
    queryKey: ['/api/batches', id],
    queryFn: ({ signal }) => get<BatchView>(`/api/batches/${encodeURIComponent(id)}`, signal),
    refetchInterval: ({ state: { data: seen } }) =>
      seen !== undefined && isUnderWay(seen) ? REFRESH_MS : false,
  })
  if (data !== undefined) {
    return <Found batch={data} {...(error !== null && { lostSinceMs: dataUpdatedAt })} />
  }
  if (error === null) return <Loading />
  const back = (
    <Link href="/batches" className="text-accent underline">
      All batches
    </Link>
  )
  return <LostPage error={error} onRetry={() => void refetch()} context={back} />
}

interface FoundProps {
  batch: BatchView
  /** When it was last seen, where the server does not answer any more. */
  lostSinceMs?: number
}

function Found({ batch, lostSinceMs }: FoundProps) {
  const { id, tenantId, errors, lines } = batch
  const tenant = useTenantNames().get(tenantId)
  const mayCancel = useMay('batches:write') && canBeCancelled(batch)
  const [isOpen, setOpen] = useState(false)
  const isLost = lostSinceMs !== undefined
  const nowMs = Date.now()
  const risk = riskOf(batch)
  const was = isLost ? `As it was at ${clockTime(lostSinceMs)}: ` : ''
  return (
    <>
      <PageHead
        sentence={`${was}${batchSentence(batch, tenant?.name ?? 'a tenant', nowMs)}`}
        context={
          <span className="inline-flex max-w-full flex-wrap items-center gap-x-2">
            <code className="font-mono text-[0.8rem] break-all">{id}</code>
            <CopyButton text={id} label="Copy the batch id" />
            {risk !== null && <span className="text-warn">{risk}</span>}
            {isLost && <span className="text-bad">The server does not answer; trying again.</span>}
          </span>
        }
        aside={
          mayCancel && (
            <Button look="danger" onClick={() => setOpen(true)}>
              Cancel the batch
            </Button>
          )
        }
      />
      <div className="grid gap-4">
        <BatchFigures batch={batch} isStale={isLost} nowMs={nowMs} />
        {errors.length > 0 && <BadLines batch={batch} />}
        {lines.total > 0 && (
          <Card
            title="Lines"
            note={`${plural(lines.total, 'line')} in its input`}
            isStale={isLost}
            bodyClassName="min-h-[3.6rem]"
          >
            <ProgressBar batch={batch} hue={tenant?.hue ?? -1} isTall />
            <ProgressLegend batch={batch} hue={tenant?.hue ?? -1} />
          </Card>
        )}
        <Timeline batch={batch} isStale={isLost} nowMs={nowMs} />
        <BatchFiles batch={batch} />
        <Particulars batch={batch} tenant={tenant} />
      </div>
      <CancelBatch batch={batch} isOpen={isOpen} onClose={() => setOpen(false)} />
    </>
  )
}
