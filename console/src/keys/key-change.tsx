/** Changing a key that is in use: its secret and its id stay. */
import { useState } from 'react'
import { useChange } from '../api/changes.ts'
import type { KeyView } from '../api/contract.ts'
import { Button } from '../parts/button.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { onSubmit } from '../parts/on-submit.ts'
import { KeyFields, keyBodyOf, keyFlags } from './key-fields.tsx'

export interface KeyChangeProps {
  /** null while closed. */
  keyView: KeyView | null
  onClose: () => void
}

export function KeyChange({ keyView, onClose }: KeyChangeProps) {
  return (
    <Dialog title={`Change ${keyView?.name ?? ''}`} isOpen={keyView !== null} onClose={onClose}>
      {keyView !== null && <Form keyView={keyView} onClose={onClose} />}
    </Dialog>
  )
}

function Form({ keyView, onClose }: { keyView: KeyView; onClose: () => void }) {
  const save = useChange<KeyView>(['/api/keys'], onClose)
  const [flags, setFlags] = useState('')
  const submit = (form: FormData) =>
    save.mutate({
      method: 'PATCH',
      path: `/api/keys/${keyView.id}`,
      body: keyBodyOf(form, keyView),
    })
  return (
    <form
      onSubmit={onSubmit(submit)}
      onChange={(event) => setFlags(keyFlags(new FormData(event.currentTarget), keyView))}
      className="grid gap-3.5"
    >
      <p className="text-soft">The change holds within a second; the secret stays as it is.</p>
      <KeyFields keyView={keyView} />
      {save.error !== null && <ErrorNote error={save.error} />}
      <CliCommand command={`gristmill key update ${keyView.id}${flags}`} />
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="main" type="submit" disabled={save.isPending}>
          Save
        </Button>
      </div>
    </form>
  )
}
