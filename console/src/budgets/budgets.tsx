/** What may be spent, by whom: how each budget stands, and what it would refuse next. */
import { useQuery } from '@tanstack/react-query'
import { Plus } from 'lucide-react'
import { useState } from 'react'
import { useSearchParams } from 'wouter'
import { useChange } from '../api/changes.ts'
import { get } from '../api/client.ts'
import type { BudgetView } from '../api/contract.ts'
import { keyName } from '../api/key-names.ts'
import { address, useKeys, useTenantNames } from '../api/lists.ts'
import { useMay } from '../api/session.ts'
import { Button } from '../parts/button.tsx'
import { Card } from '../parts/card.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { Confirm } from '../parts/confirm.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { ExportButton } from '../parts/export-button.tsx'
import { controlClass } from '../parts/field.tsx'
import { LoadingRows } from '../parts/loading.tsx'
import { PageHead } from '../parts/page-head.tsx'
import { TenantFilter, withParameter } from '../parts/tenant-filter.tsx'
import { useProjectNames } from '../usage/project-names.ts'
import { AlertSettings, AlertsCard } from './alerts.tsx'
import { BudgetCard } from './budget-card.tsx'
import { ChangeBudget, NewBudget } from './budget-form.tsx'
import {
  type BudgetState,
  budgetsInWords,
  scopeOf,
  sharesOf,
  stateOf,
  stateWords,
} from './budget-words.ts'
import { CreditsCard } from './credits.tsx'

const REFRESH_MS = 5000

export default function Budgets() {
  const [search] = useSearchParams()
  const tenant = search.get('tenant') ?? undefined
  const path = address('/api/budgets', { tenant })
  const list = useQuery({
    queryKey: [path],
    queryFn: ({ signal }) => get<{ rows: BudgetView[] }>(path, signal),
    refetchInterval: REFRESH_MS,
  })
  const mayWrite = useMay('budgets:write')
  const names = useTenantNames()
  const [isNew, setNew] = useState(false)
  const rows = list.data?.rows
  const wanted = search.get('state')
  const shown = rows
    ?.filter((one) => wanted === null || stateOf(one) === wanted)
    .sort((a, b) => sharesOf(b).spent - sharesOf(a).spent)
  return (
    <>
      <PageHead
        sentence={budgetsInWords(rows, ({ tenantId }) => names.get(tenantId)?.name ?? tenantId)}
        isLost={rows === undefined && list.error !== null}
        context="All budgets that apply to a request must have room for the most that it can take. Soft ones are only told."
        aside={
          <>
            <StateFilter />
            <TenantFilter />
            {mayWrite && (
              <Button look="main" onClick={() => setNew(true)}>
                <Plus size={15} aria-hidden /> New budget
              </Button>
            )}
          </>
        }
      />
      <Card
        title="Budgets"
        note="in their present periods, the fullest first"
        actions={rows !== undefined && rows.length > 0 && <Export rows={rows} />}
      >
        {list.error !== null && (
          <ErrorNote error={list.error} onRetry={() => void list.refetch()} />
        )}
        {rows === undefined && list.error === null && <LoadingRows />}
        {rows?.length === 0 && (
          <p className="py-2 text-soft">
            Budgets appear here. Without any, nothing bounds what a tenant spends; a hard one is not
            passed, whatever is asked at once.
          </p>
        )}
        {rows !== undefined && rows.length > 0 && shown?.length === 0 && (
          <p className="py-2 text-soft">No budget is in this state.</p>
        )}
        {shown !== undefined && shown.length > 0 && <List budgets={shown} mayWrite={mayWrite} />}
        <CliCommand className="mt-3" command="gristmill budget list" />
      </Card>
      <div className="mt-4 grid gap-4">
        <CreditsCard tenant={tenant} />
        <AlertsCard tenant={tenant} />
      </div>
      <Dialog title="New budget" isOpen={isNew} onClose={() => setNew(false)}>
        <NewBudget {...(tenant && { tenantId: tenant })} onClose={() => setNew(false)} />
      </Dialog>
    </>
  )
}

function StateFilter() {
  const [search, setSearch] = useSearchParams()
  return (
    <select
      aria-label="State"
      value={search.get('state') ?? ''}
      onChange={(event) => setSearch(withParameter('state', event.target.value), { replace: true })}
      className={`${controlClass} w-auto!`}
    >
      <option value="">All states</option>
      {(Object.keys(stateWords) as BudgetState[]).map((state) => (
        <option key={state} value={state}>
          {stateWords[state]}
        </option>
      ))}
    </select>
  )
}

function List({ budgets, mayWrite }: { budgets: readonly BudgetView[]; mayWrite: boolean }) {
  const names = useTenantNames()
  const keys = useKeys().data
  const ofProjects = budgets.filter(({ projectId }) => projectId !== null)
  const projects = useProjectNames([...new Set(ofProjects.map(({ tenantId }) => tenantId))])
  const [changing, setChanging] = useState<BudgetView | null>(null)
  const [ending, setEnding] = useState<BudgetView | null>(null)
  const [alerting, setAlerting] = useState<BudgetView | null>(null)
  const end = useChange(['/api/budgets'], () => setEnding(null))
  // Credit that is left is paid back first.
  const mayEnd = ({ isPrepaid, left }: BudgetView) => mayWrite && !(isPrepaid && left !== '0')
  const scope = (budget: BudgetView) =>
    scopeOf(budget, { project: (id) => projects.get(id) ?? id, key: (id) => keyName(id, keys) })
  return (
    <>
      <ul>
        {budgets.map((budget) => {
          const { id, tenantId } = budget
          const tenant = names.get(tenantId)
          return (
            <BudgetCard
              key={id}
              budget={budget}
              tenant={{ name: tenant?.name ?? tenantId, hue: tenant?.hue ?? -1 }}
              scope={scope(budget)}
              onAlerts={() => setAlerting(budget)}
              onEdit={mayWrite && !budget.isPrepaid ? () => setChanging(budget) : undefined}
              onEnd={mayEnd(budget) ? () => setEnding(budget) : undefined}
            />
          )
        })}
      </ul>
      <Dialog
        title={`Change ${changing?.name ?? ''}`}
        isOpen={changing !== null}
        onClose={() => setChanging(null)}
      >
        {changing !== null && <ChangeBudget budget={changing} onClose={() => setChanging(null)} />}
      </Dialog>
      <Dialog
        title={`Alerts of ${alerting?.name ?? ''}`}
        isOpen={alerting !== null}
        onClose={() => setAlerting(null)}
      >
        {alerting !== null && <AlertSettings budget={alerting} onClose={() => setAlerting(null)} />}
      </Dialog>
      {ending !== null && (
        <Confirm
          title={`End ${ending.name}?`}
          isOpen
          onClose={() => setEnding(null)}
          action={`End ${ending.name}`}
          command={`gristmill budget end ${ending.id}`}
          isBusy={end.isPending}
          error={end.error}
          onConfirm={() => end.mutate({ method: 'DELETE', path: `/api/budgets/${ending.id}` })}
        >
          Nothing is refused for it any more. What was spent of it stays in the ledger; a budget
          that has ended does not come back.
        </Confirm>
      )}
    </>
  )
}

function Export({ rows }: { rows: readonly BudgetView[] }) {
  const names = useTenantNames()
  const header = ['Budget', 'Id', 'Tenant', 'Unit', 'Limit', 'Spent', 'Set aside', 'Left', 'Renews']
  return (
    <ExportButton
      name="budgets"
      header={header}
      rows={() =>
        rows.map(
          ({ name, id, tenantId, unit, currency, limit, spent, reserved, left, renewsAt }) => {
            const tenant = names.get(tenantId)?.name ?? tenantId
            const amounts = [limit, spent, reserved, left]
            return [name, id, tenant, currency ?? unit, ...amounts, renewsAt]
          },
        )
      }
    />
  )
}
