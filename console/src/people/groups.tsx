/** What groups of the directory may: rules in order, the first that fits decides on the role. */
import { useQuery } from '@tanstack/react-query'
import { Plus } from 'lucide-react'
import { useState } from 'react'
import { useChange } from '../api/changes.ts'
import { get } from '../api/client.ts'
import type { AccessRulesView, UserView } from '../api/contract.ts'
import { useTenantNames } from '../api/lists.ts'
import { useMay } from '../api/session.ts'
import { Button } from '../parts/button.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { RowButton } from '../parts/row-button.tsx'
import { plural } from '../units.ts'
import { roles } from './roles.ts'
import { type Rule, RuleForm } from './rule-form.tsx'

const PATH = '/api/access-rules'

interface Placed extends Rule {
  at: number
}

export function Groups({ users }: { users: readonly UserView[] }) {
  const { data, error, refetch } = useQuery({
    queryKey: [PATH],
    queryFn: ({ signal }) => get<AccessRulesView>(PATH, signal),
  })
  const mayWrite = useMay('users:write')
  const names = useTenantNames()
  const [open, setOpen] = useState<Placed | 'new' | null>(null)
  const save = useChange<AccessRulesView>([PATH, '/api/users'], () => setOpen(null))
  const rules = data?.rules ?? []
  const put = (changed: Rule[]) =>
    save.mutate({ method: 'PUT', path: PATH, body: { rules: changed } })
  const columns = ruleColumns((id) => names.get(id)?.name ?? id, users)
  if (mayWrite) {
    columns.push({
      title: '',
      show: (rule) => (
        <span className="inline-flex gap-3">
          {rule.at > 0 && <RowButton onClick={() => put(raised(rules, rule.at))}>Up</RowButton>}
          <RowButton onClick={() => setOpen(rule)}>Change</RowButton>
          <RowButton onClick={() => put(rules.filter((_, at) => at !== rule.at))}>Remove</RowButton>
        </span>
      ),
      isNumber: true,
    })
  }
  // Without a provider and without rules there is nothing that people could do here.
  if (data?.provider === null && rules.length === 0 && error === null) return <NoProvider />
  const at = open === 'new' || open === null ? undefined : open.at
  const rule = at === undefined ? undefined : rules[at]
  return (
    <div className="mt-4">
      <DataTable
        title="Groups"
        note={
          data?.provider && `from the claim ${data.provider.groupsClaim} of ${data.provider.name}`
        }
        name="access-rules"
        columns={columns}
        rows={data && rules.map((one, place) => ({ ...one, at: place }))}
        rowId={(one) => `${one.at} ${one.group}`}
        error={error ?? (open === null ? save.error : null)}
        onRetry={() => void refetch()}
        empty="No rule yet, so nobody gets in by the directory. Add one for a group."
        footer={
          <div className="mt-3 flex flex-wrap items-center justify-between gap-3">
            <CliCommand command="gristmill user rules show" />
            {mayWrite && (
              <Button onClick={() => setOpen('new')}>
                <Plus size={15} aria-hidden /> Add a rule
              </Button>
            )}
          </div>
        }
      />
      <RuleForm
        {...(rule && { rule })}
        users={users}
        isOpen={open !== null}
        isBusy={save.isPending}
        error={save.error}
        onSave={(saved) =>
          put(
            at === undefined ? [...rules, saved] : rules.map((one, i) => (i === at ? saved : one)),
          )
        }
        onClose={() => {
          setOpen(null)
          save.reset()
        }}
      />
    </div>
  )
}

function NoProvider() {
  return (
    <p className="mt-4 text-[0.8rem] text-soft">
      People can sign in with the login of your company: set <code>GRISTMILL_OIDC_ISSUER</code> and{' '}
      <code>GRISTMILL_OIDC_CLIENT_ID</code>, and rules for its groups appear here.
    </p>
  )
}

function raised(rules: readonly Rule[], at: number): Rule[] {
  const moved = rules[at]
  if (moved === undefined) return [...rules]
  return rules.toSpliced(at, 1).toSpliced(at - 1, 0, moved)
}

function ruleColumns(nameOf: (id: string) => string, users: readonly UserView[]): Column<Placed>[] {
  return [
    {
      title: 'Group',
      show: ({ group }) => <span className="font-[560] wrap-anywhere">{group}</span>,
      csv: ({ group }) => group,
    },
    {
      title: 'Role',
      show: ({ role }) => <span title={roles[role]}>{role}</span>,
      csv: ({ role }) => role,
    },
    {
      title: 'Tenants',
      show: ({ tenantIds }) =>
        tenantIds.length === 0 ? (
          <span className="text-soft">all</span>
        ) : (
          tenantIds.map(nameOf).join(', ')
        ),
      csv: ({ tenantIds }) => tenantIds.map(nameOf).join(' '),
    },
    {
      title: 'Known in it',
      note: 'People above who were in the group when they last signed in',
      show: ({ group }) => {
        const count = users.filter(({ groups }) => groups.includes(group)).length
        return count === 0 ? (
          <span className="text-soft">nobody yet</span>
        ) : (
          plural(count, 'person', 'people')
        )
      },
      csv: ({ group }) => users.filter(({ groups }) => groups.includes(group)).length,
      isNumber: true,
    },
  ]
}
