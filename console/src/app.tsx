/** Signed in or not, and which page: every page but the first comes in a file of its own. */
import { QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { lazy, Suspense } from 'react'
import { Route, Switch, useLocation } from 'wouter'
import { ApiFailure } from './api/client.ts'
import { SignedInContext, sessionKey, useSessionQuery } from './api/session.ts'
import { MillFloor } from './floor/mill-floor.tsx'
import { ErrorNote } from './parts/error-note.tsx'
import { Loading } from './parts/loading.tsx'
import { PageBoundary } from './shell/page-boundary.tsx'
import { Shell } from './shell/shell.tsx'

const SignIn = lazy(() => import('./sign-in/sign-in.tsx'))
const FirstRun = lazy(() => import('./sign-in/first-run.tsx'))
const Pages = lazy(() => import('./pages.tsx'))

const client = new QueryClient({
  queryCache: new QueryCache({
    // A session that has ended shows the sign-in, wherever that was noticed.
    onError: (error, query) => {
      const isSession = query.queryKey[0] === sessionKey[0]
      if (!isSession && error instanceof ApiFailure && error.status === 401) {
        void client.invalidateQueries({ queryKey: sessionKey })
      }
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 5000,
      // A refusal stays one however often it is asked for; only silence is worth another try.
      retry: (times, error) => times < 2 && error instanceof ApiFailure && error.status === 0,
    },
  },
})

export function App() {
  return (
    <QueryClientProvider client={client}>
      <PageBoundary className="mx-auto mt-[18vh] max-w-md px-4">
        <Suspense fallback={null}>
          <Switch>
            <Route path="/first-run">
              <FirstRun />
            </Route>
            <Route>
              <Behind />
            </Route>
          </Switch>
        </Suspense>
      </PageBoundary>
    </QueryClientProvider>
  )
}

function Behind() {
  const [path] = useLocation()
  const { data: session, error, refetch } = useSessionQuery()
  if (session === undefined) {
    if (error === null) return null
    return (
      <main className="mx-auto mt-[18vh] max-w-md px-4">
        <ErrorNote error={error} onRetry={() => void refetch()} />
      </main>
    )
  }
  if (session.user === null) return <SignIn session={session} />
  return (
    <SignedInContext value={{ session, user: session.user }}>
      <Shell>
        <PageBoundary key={path}>
          <Suspense fallback={<Loading />}>
            <Switch>
              <Route path="/" component={MillFloor} />
              <Route component={Pages} />
            </Switch>
          </Suspense>
        </PageBoundary>
      </Shell>
    </SignedInContext>
  )
}
