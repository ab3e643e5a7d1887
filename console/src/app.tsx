/** Signed in or not, and which page: every page but the first comes in a file of its own. */
import { QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { lazy, Suspense } from 'react'
import { Route, Switch } from 'wouter'
import { ApiFailure } from './api/client.ts'
import { SignedInContext, sessionKey, useSessionQuery } from './api/session.ts'
import { MillFloor } from './floor/mill-floor.tsx'
import { ErrorNote } from './parts/error-note.tsx'
import { Loading } from './parts/loading.tsx'
import { Shell } from './shell/shell.tsx'

const SignIn = lazy(() => import('./sign-in/sign-in.tsx'))
const FirstRun = lazy(() => import('./sign-in/first-run.tsx'))
const Playground = lazy(() => import('./playground/playground.tsx'))
const Batches = lazy(() => import('./batches/batches.tsx'))
const Batch = lazy(() => import('./batches/batch.tsx'))
const Plan = lazy(() => import('./plan/plan.tsx'))
const Engines = lazy(() => import('./engines/engines.tsx'))
const Cluster = lazy(() => import('./cluster/cluster.tsx'))
const Routes = lazy(() => import('./routes/routes.tsx'))
const EditRoutes = lazy(() => import('./routes/edit-routes.tsx'))
const Prices = lazy(() => import('./prices/prices.tsx'))
const Tenants = lazy(() => import('./tenants/tenants.tsx'))
const Tenant = lazy(() => import('./tenants/tenant.tsx'))
const Keys = lazy(() => import('./keys/keys.tsx'))
const Usage = lazy(() => import('./usage/usage.tsx'))
const Requests = lazy(() => import('./requests/requests.tsx'))
const Request = lazy(() => import('./requests/request.tsx'))
const Audit = lazy(() => import('./audit/audit.tsx'))
const People = lazy(() => import('./people/people.tsx'))
const NotFound = lazy(() => import('./shell/not-found.tsx'))

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
    </QueryClientProvider>
  )
}

function Behind() {
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
        <Suspense fallback={<Loading />}>
          <Pages />
        </Suspense>
      </Shell>
    </SignedInContext>
  )
}

function Pages() {
  return (
    <Switch>
      <Route path="/" component={MillFloor} />
      <Route path="/playground" component={Playground} />
      <Route path="/batches" component={Batches} />
      <Route path="/batches/:id">{({ id }) => <Batch id={id} />}</Route>
      <Route path="/plan" component={Plan} />
      <Route path="/engines" component={Engines} />
      <Route path="/cluster" component={Cluster} />
      <Route path="/routes" component={Routes} />
      <Route path="/routes/edit" component={EditRoutes} />
      <Route path="/prices" component={Prices} />
      <Route path="/tenants" component={Tenants} />
      <Route path="/tenants/:id">{({ id }) => <Tenant id={id} />}</Route>
      <Route path="/keys" component={Keys} />
      <Route path="/usage" component={Usage} />
      <Route path="/requests" component={Requests} />
      <Route path="/requests/:id">{({ id }) => <Request id={id} />}</Route>
      <Route path="/audit" component={Audit} />
      <Route path="/people" component={People} />
      <Route component={NotFound} />
    </Switch>
  )
}
