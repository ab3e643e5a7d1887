/** A page about one thing that could not be fetched: it begins with that, and says what to do. */
import type { ReactNode } from 'react'
import { ApiFailure } from '../api/client.ts'
import { ErrorNote } from './error-note.tsx'
import { PageHead } from './page-head.tsx'

export interface LostPageProps {
  error: unknown
  onRetry: () => void
  /** Where else to go. */
  context: ReactNode
}

export function LostPage({ error, onRetry, context }: LostPageProps) {
  const isNowhere = error instanceof ApiFailure && error.status === 404
  return (
    <>
      <PageHead
        sentence="There is nothing at this address."
        isLost={!isNowhere}
        context={context}
      />
      <ErrorNote error={error} {...(!isNowhere && { onRetry })} />
    </>
  )
}
