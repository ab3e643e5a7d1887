/** Changing the own password; whoever is signed in elsewhere with the old one is out. */
import { useMutation } from '@tanstack/react-query'
import { change } from '../api/client.ts'
import type { SessionView } from '../api/contract.ts'
import { useRenewSession } from '../api/session.ts'
import { Button } from '../parts/button.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { Field } from '../parts/field.tsx'
import { onSubmit } from '../parts/on-submit.ts'

const PASSWORD_LENGTH_MIN = 10

export interface PasswordFormProps {
  isOpen: boolean
  onClose: () => void
}

export default function PasswordForm({ isOpen, onClose }: PasswordFormProps) {
  return (
    <Dialog title="Change your password" isOpen={isOpen} onClose={onClose}>
      <Form onClose={onClose} />
    </Dialog>
  )
}

function Form({ onClose }: { onClose: () => void }) {
  const renew = useRenewSession()
  const save = useMutation({
    mutationFn: (form: FormData) =>
      change<SessionView>('POST', '/api/session/password', {
        current: form.get('current'),
        next: form.get('next'),
      }),
    onSuccess: renew,
  })
  if (save.isSuccess) {
    return (
      <div>
        <p role="status" className="text-soft">
          Your password is changed. Every other session of yours has ended; this one goes on.
        </p>
        <div className="mt-4 flex justify-end">
          <Button look="main" onClick={onClose} autoFocus>
            Done
          </Button>
        </div>
      </div>
    )
  }
  return (
    <form onSubmit={onSubmit(save.mutate)} className="grid gap-3.5">
      <Field
        label="Present password"
        name="current"
        type="password"
        autoComplete="current-password"
        required
        data-first
      />
      <Field
        label="New password"
        name="next"
        type="password"
        autoComplete="new-password"
        minLength={PASSWORD_LENGTH_MIN}
        maxLength={128}
        required
        hint={`At least ${PASSWORD_LENGTH_MIN} characters. Your other sessions end with the change.`}
      />
      {save.error !== null && <ErrorNote error={save.error} />}
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="main" type="submit" disabled={save.isPending}>
          Change it
        </Button>
      </div>
    </form>
  )
}
