/** Signing in: with the identity provider where there is one, with a password where that is on. */
import { useMutation } from '@tanstack/react-query'
import { useSearchParams } from 'wouter'
import { ApiFailure, change } from '../api/client.ts'
import type { SessionView } from '../api/contract.ts'
import { useReplaceSession } from '../api/session.ts'
import { Button } from '../parts/button.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { Field } from '../parts/field.tsx'
import { onSubmit } from '../parts/on-submit.ts'
import { Door } from './door.tsx'
import { failureInWords } from './failures.ts'

export default function SignIn({ session }: { session: SessionView }) {
  const { provider, password } = session.signIn
  if (session.firstRun) return <NoOwnerYet />
  if (provider === null) {
    return (
      <Door title="Sign in to the pool" note="With the account that an owner made for you.">
        <PasswordSignIn isMain command="gristmill user invite-link EMAIL" />
      </Door>
    )
  }
  return (
    <Door title="Sign in to the pool" note="With the account that you have everywhere.">
      <ProviderSignIn provider={provider} />
      <details className="mt-6 border-t pt-4">
        <summary className="cursor-pointer text-[0.84rem] text-soft">
          {password ? 'With a password instead' : 'Break-glass owner: with the password'}
        </summary>
        <div className="mt-4">
          <PasswordSignIn
            isMain={false}
            command={`gristmill user invite-link${password ? ' EMAIL' : ''}`}
          />
        </div>
      </details>
    </Door>
  )
}

function ProviderSignIn({ provider }: { provider: string }) {
  const [search] = useSearchParams()
  const failed = search.get('failed')
  const begin = useMutation({
    mutationFn: () => change<{ url: string }>('POST', '/api/session/oidc', { to: wanted() }),
    onSuccess: ({ url }) => window.location.assign(url),
  })
  const failure =
    failed === null
      ? null
      : new ApiFailure(401, failed, failureInWords(failed), search.get('request') ?? undefined)
  return (
    <div className="grid gap-3.5">
      {begin.error === null && failure !== null && <ErrorNote error={failure} />}
      {begin.error !== null && <ErrorNote error={begin.error} />}
      <Button
        look="main"
        className="min-h-9"
        autoFocus
        disabled={begin.isPending || begin.isSuccess}
        onClick={() => begin.mutate()}
      >
        Sign in with {provider}
      </Button>
    </div>
  )
}

/** The page that was asked for, without what an earlier attempt has left in its address. */
function wanted(): string {
  const url = new URL(window.location.href)
  url.searchParams.delete('failed')
  url.searchParams.delete('request')
  return url.pathname + url.search
}

function PasswordSignIn({ isMain, command }: { isMain: boolean; command: string }) {
  const replace = useReplaceSession()
  const signIn = useMutation({
    mutationFn: (form: FormData) =>
      change<SessionView>('POST', '/api/session', {
        email: form.get('email'),
        password: form.get('password'),
      }),
    onSuccess: replace,
  })
  return (
    <>
      <form onSubmit={onSubmit(signIn.mutate)} className="grid gap-3.5">
        <Field
          label="Email"
          name="email"
          type="email"
          autoComplete="username"
          required
          autoFocus={isMain}
        />
        <Field
          label="Password"
          name="password"
          type="password"
          autoComplete="current-password"
          required
        />
        {signIn.error !== null && <ErrorNote error={signIn.error} />}
        <Button
          {...(isMain && { look: 'main' as const })}
          type="submit"
          disabled={signIn.isPending}
          className="min-h-9"
        >
          {signIn.isPending ? 'Signing in' : 'Sign in'}
        </Button>
      </form>
      <p className="mt-5 text-[0.8rem] text-soft">
        Forgotten the password? On the machine that runs Gristmill, this prints a one-time link:
      </p>
      <CliCommand className="mt-1" command={command} />
    </>
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
