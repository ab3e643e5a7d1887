/** Where a one-time link leads: it makes the first owner, or lets an invited person in. */
import { useMutation, useQuery } from '@tanstack/react-query'
import { Link, useLocation, useSearchParams } from 'wouter'
import { change, get } from '../api/client.ts'
import type { LinkView, SessionView } from '../api/contract.ts'
import { useReplaceSession } from '../api/session.ts'
import { Button } from '../parts/button.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { Field } from '../parts/field.tsx'
import { onSubmit } from '../parts/on-submit.ts'
import { moment } from '../units.ts'
import { Door } from './door.tsx'

const PASSWORD_LENGTH_MIN = 10

export default function FirstRun() {
  const [search] = useSearchParams()
  const token = search.get('token') ?? ''
  const link = useQuery({
    queryKey: ['link', token],
    queryFn: ({ signal }) => get<LinkView>(`/api/link?token=${encodeURIComponent(token)}`, signal),
    enabled: token !== '',
    staleTime: Number.POSITIVE_INFINITY,
  })
  if (token === '' || link.error !== null) {
    return (
      <Door
        title="This link does not open anything."
        note="A one-time link works once, and only for a while."
      >
        {link.error !== null && <ErrorNote error={link.error} />}
        <p className="mt-4">
          <Link href="/" className="text-accent underline">
            Sign in instead
          </Link>
        </p>
      </Door>
    )
  }
  if (link.data === undefined) return null
  return <UseLink token={token} link={link.data} />
}

function UseLink({ token, link }: { token: string; link: LinkView }) {
  const replace = useReplaceSession()
  const [, goTo] = useLocation()
  const redeem = useMutation({
    mutationFn: (form: FormData) =>
      change<SessionView>('POST', '/api/link', {
        token,
        name: form.get('name'),
        email: form.get('email'),
        password: form.get('password'),
      }),
    onSuccess: (session) => {
      replace(session)
      goTo('/', { replace: true })
    },
  })
  const isOwner = link.kind === 'owner'
  const note = isOwner
    ? 'You become the owner of this pool: you see everything and may change everything.'
    : 'Choose a password and you are in.'
  return (
    <Door title={isOwner ? 'Take over the mill' : `Welcome, ${link.name ?? ''}`} note={note}>
      <form onSubmit={onSubmit(redeem.mutate)} className="grid gap-3.5">
        <Field
          label="Name"
          name="name"
          required
          autoComplete="name"
          defaultValue={link.name ?? ''}
        />
        <Field
          label="Email"
          name="email"
          type="email"
          required
          autoComplete="username"
          defaultValue={link.email ?? ''}
          readOnly={link.email !== null}
        />
        <Field
          label="Password"
          name="password"
          type="password"
          required
          minLength={PASSWORD_LENGTH_MIN}
          maxLength={128}
          autoComplete="new-password"
          hint={`At least ${PASSWORD_LENGTH_MIN} characters; a few words are fine.`}
        />
        {redeem.error !== null && <ErrorNote error={redeem.error} />}
        <Button look="main" type="submit" disabled={redeem.isPending} className="min-h-9">
          {isOwner ? 'Become the owner' : 'Set the password'}
        </Button>
      </form>
      <p className="mt-4 text-[0.75rem] text-soft">
        This link works once, until {moment(link.expiresAt)}.
      </p>
    </Door>
  )
}
