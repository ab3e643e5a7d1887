/** How a secret ends: replaced with an overlap, or revoked at once. */
import { useState } from 'react'
import { useChange } from '../api/changes.ts'
import type { KeyCreated, KeyView } from '../api/contract.ts'
import { Button } from '../parts/button.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { Confirm } from '../parts/confirm.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { Choice } from '../parts/field.tsx'
import { SecretOnce } from '../parts/secret-once.tsx'

interface KeyEndProps {
  /** null while closed. */
  keyView: KeyView | null
  onClose: () => void
}

const overlaps = [
  { seconds: 0, words: 'not at all', flag: '0s' },
  { seconds: 3600, words: 'one more hour', flag: '1h' },
  { seconds: 86_400, words: 'one more day', flag: '24h' },
  { seconds: 604_800, words: 'one more week', flag: '7d' },
]

export function Rotate({ keyView, onClose }: KeyEndProps) {
  return (
    <Dialog title={`Rotate ${keyView?.name ?? ''}`} isOpen={keyView !== null} onClose={onClose}>
      {keyView !== null && <RotateForm keyView={keyView} onClose={onClose} />}
    </Dialog>
  )
}

function RotateForm({ keyView, onClose }: { keyView: KeyView; onClose: () => void }) {
  const rotate = useChange<KeyCreated>(['/api/keys'])
  const [overlap, setOverlap] = useState(86_400)
  if (rotate.data !== undefined) {
    return (
      <div>
        <SecretOnce
          secret={rotate.data.key}
          note="The new secret. It cannot be shown again: copy it now."
        />
        <div className="mt-4 flex justify-end">
          <Button look="main" onClick={onClose}>
            I have copied it
          </Button>
        </div>
      </div>
    )
  }
  const flag = overlaps.find(({ seconds }) => seconds === overlap)?.flag ?? '24h'
  return (
    <div className="grid gap-3.5">
      <p className="text-soft">
        The key gets a new secret and keeps its id, so its usage stays in one place.
      </p>
      <Choice
        label="The old secret works"
        value={overlap}
        onChange={(event) => setOverlap(Number(event.target.value))}
      >
        {overlaps.map(({ seconds, words }) => (
          <option key={seconds} value={seconds}>
            {words}
          </option>
        ))}
      </Choice>
      {rotate.error !== null && <ErrorNote error={rotate.error} />}
      <CliCommand command={`gristmill key rotate ${keyView.id} --overlap ${flag}`} />
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button
          look="main"
          disabled={rotate.isPending}
          onClick={() =>
            rotate.mutate({
              method: 'POST',
              path: `/api/keys/${keyView.id}/rotate`,
              body: { overlapS: overlap },
            })
          }
        >
          Make a new secret
        </Button>
      </div>
    </div>
  )
}

export function Revoke({ keyView, onClose }: KeyEndProps) {
  const revoke = useChange(['/api/keys', '/api/tenants'], onClose)
  return (
    <Confirm
      title={`Revoke ${keyView?.name ?? ''}?`}
      isOpen={keyView !== null}
      onClose={onClose}
      action="Revoke it for ever"
      command={`gristmill key revoke ${keyView?.id ?? ''}`}
      isBusy={revoke.isPending}
      error={revoke.error}
      onConfirm={() =>
        keyView && revoke.mutate({ method: 'DELETE', path: `/api/keys/${keyView.id}` })
      }
    >
      Calls with it are refused within a second, and answers that are being streamed end. Its usage
      stays on the ledger.
    </Confirm>
  )
}
