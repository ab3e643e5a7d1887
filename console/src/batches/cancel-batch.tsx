/** Stopping a batch, once it is clear what that means. */
import { useChange } from '../api/changes.ts'
import type { BatchView } from '../api/contract.ts'
import { Confirm } from '../parts/confirm.tsx'
import { count, plural } from '../units.ts'
import { endedLines } from './batch-words.ts'

export interface CancelBatchProps {
  batch: BatchView
  isOpen: boolean
  onClose: () => void
}

export function CancelBatch({ batch, isOpen, onClose }: CancelBatchProps) {
  const { id, forecast, lines } = batch
  const cancel = useChange<BatchView>(['/api/batches'], onClose)
  const rest =
    lines.total === 0
      ? 'No line has been run yet, and none will be.'
      : `${count(endedLines(batch))} of ${plural(lines.total, 'line')} keep their answers, which stay charged. The other ${count(forecast.remaining)} are reported as cancelled; what runs is cut.`
  return (
    <Confirm
      title="Cancel this batch?"
      isOpen={isOpen}
      onClose={onClose}
      action="Cancel the batch"
      command={`gristmill batch cancel ${id}`}
      isBusy={cancel.isPending}
      error={cancel.error}
      onConfirm={() => cancel.mutate({ method: 'POST', path: `/api/batches/${id}/cancel` })}
    >
      {rest} It cannot be taken up again.
    </Confirm>
  )
}
