/** Every page but the first, each in a file of its own; this list comes after the first page has. */
import { lazy } from 'react'
import { Route, Switch } from 'wouter'

const Playground = lazy(() => import('./playground/playground.tsx'))
const Batches = lazy(() => import('./batches/batches.tsx'))
const Batch = lazy(() => import('./batches/batch.tsx'))
const Plan = lazy(() => import('./plan/plan.tsx'))
const Engines = lazy(() => import('./engines/engines.tsx'))
const Cluster = lazy(() => import('./cluster/cluster.tsx'))
const Routes = lazy(() => import('./routes/routes.tsx'))
const EditRoutes = lazy(() => import('./routes/edit-routes.tsx'))
const Budgets = lazy(() => import('./budgets/budgets.tsx'))
const Costs = lazy(() => import('./costs/costs.tsx'))
const Statements = lazy(() => import('./statements/statements.tsx'))
const Bills = lazy(() => import('./bills/bills.tsx'))
const Prices = lazy(() => import('./prices/prices.tsx'))
const Tenants = lazy(() => import('./tenants/tenants.tsx'))
const Tenant = lazy(() => import('./tenants/tenant.tsx'))
const Keys = lazy(() => import('./keys/keys.tsx'))
const Usage = lazy(() => import('./usage/usage.tsx'))
const Requests = lazy(() => import('./requests/requests.tsx'))
const Request = lazy(() => import('./requests/request.tsx'))
const Audit = lazy(() => import('./audit/audit.tsx'))
const Retention = lazy(() => import('./retention/retention.tsx'))
const People = lazy(() => import('./people/people.tsx'))
const NotFound = lazy(() => import('./shell/not-found.tsx'))

export default function Pages() {
  return (
    <Switch>
      <Route path="/playground" component={Playground} />
      <Route path="/batches" component={Batches} />
      <Route path="/batches/:id">{({ id }) => <Batch id={id} />}</Route>
      <Route path="/plan" component={Plan} />
      <Route path="/engines" component={Engines} />
      <Route path="/cluster" component={Cluster} />
      <Route path="/routes" component={Routes} />
      <Route path="/routes/edit" component={EditRoutes} />
      <Route path="/budgets" component={Budgets} />
      <Route path="/costs" component={Costs} />
      <Route path="/statements" component={Statements} />
      <Route path="/statements/bills" component={Bills} />
      <Route path="/prices" component={Prices} />
      <Route path="/tenants" component={Tenants} />
      <Route path="/tenants/:id">{({ id }) => <Tenant id={id} />}</Route>
      <Route path="/keys" component={Keys} />
      <Route path="/usage" component={Usage} />
      <Route path="/requests" component={Requests} />
      <Route path="/requests/:id">{({ id }) => <Request id={id} />}</Route>
      <Route path="/audit" component={Audit} />
      <Route path="/retention" component={Retention} />
      <Route path="/people" component={People} />
      <Route component={NotFound} />
    </Switch>
  )
}
