/** Signing in with email address and password. */
import { useMutation } from '@tanstack/react-query'
import { change } from '../api/client.ts'
import type { SessionView } from '../api/contract.ts'
import { useReplaceSession } from '../api/session.ts'
import { Button } from '../parts/button.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { Field } from '../parts/field.tsx'
import { onSubmit } from '../parts/on-submit.ts'
import { Door } from './door.tsx'

export default function SignIn({ isFirstRun }: { isFirstRun: boolean }) {
  const replace = useReplaceSession()
  const signIn = useMutation({
    mutationFn: (form: FormData) =>
      change<SessionView>('POST', '/api/session', {
        email: form.get('email'),
        password: form.get('password'),
      }),
    onSuccess: replace,
  })
  if (isFirstRun) return <NoOwnerYet />
  return (
    <Door title="Sign in to the pool" note="With the account that an owner made for you.">
      <form onSubmit={onSubmit(signIn.mutate)} className="grid gap-3.5">
        <Field label="Email" name="email" type="email" autoComplete="username" required autoFocus />
        <Field
          label="Password"
          name="password"
          type="password"
          autoComplete="current-password"
          required
        />
        {signIn.error !== null && <ErrorNote error={signIn.error} />}
        <Button look="main" type="submit" disabled={signIn.isPending} className="min-h-9">
          {signIn.isPending ? 'Signing in' : 'Sign in'}
        </Button>
      </form>
      <p className="mt-5 text-[0.8rem] text-soft">
        Forgotten the password? On the machine that runs Gristmill, this prints a one-time link:
      </p>
      <CliCommand className="mt-1" command="gristmill user invite-link EMAIL" />
    </Door>
  )
}

function NoOwnerYet() {
  return (
    <Door
      title="This pool has no owner yet."
      note="Open the one-time link that the first start printed in its terminal. It makes you the owner and asks for a password."
    >
      <p className="text-[0.8rem] text-soft">
        Lost it? On the same machine, this prints a new one:
      </p>
      <CliCommand className="mt-1" command="gristmill user invite-link" />
    </Door>
  )
}
