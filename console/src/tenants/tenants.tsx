/** Who shares the pool, and how. */
import { Plus } from 'lucide-react'
import { useState } from 'react'
import { Link } from 'wouter'
import type { TenantView } from '../api/contract.ts'
import { useTenants } from '../api/lists.ts'
import { useIsBound, useMay } from '../api/session.ts'
import { Button } from '../parts/button.tsx'
import { ClassTag } from '../parts/class-tag.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { CutNote } from '../parts/cut-note.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { limitsInWords } from '../parts/limit-fields.tsx'
import { PageHead } from '../parts/page-head.tsx'
import { TenantName } from '../parts/tenant-name.tsx'
import { day, percent } from '../units.ts'
import { TenantForm } from './tenant-form.tsx'
import { tenantsSentence } from './tenants-sentence.ts'
import { WeightBar } from './weight-bar.tsx'

export default function Tenants() {
  const { data: tenants, error, refetch } = useTenants()
  const mayWrite = useMay('tenants:write')
  const [isOpen, setOpen] = useState(false)
  const isBound = useIsBound()
  const total = tenants?.reduce((sum, { weight }) => sum + weight, 0) ?? 0
  const add = mayWrite && (
    <Button look="main" onClick={() => setOpen(true)}>
      <Plus size={15} aria-hidden /> New tenant
    </Button>
  )
  return (
    <>
      <PageHead
        sentence={tenantsSentence(tenants, isBound)}
        isLost={tenants === undefined && error !== null}
        context="A weight is a share of the pool while others want it too; what nobody else wants is free to use."
        aside={add}
      />
      <div className="grid gap-4">
        {tenants !== undefined && tenants.length > 0 && !isBound && <WeightBar tenants={tenants} />}
        <DataTable
          title={isBound ? 'Your tenants' : 'All tenants'}
          name="tenants"
          columns={columns(isBound ? null : total)}
          rows={tenants}
          rowId={({ id }) => id}
          error={error}
          onRetry={() => void refetch()}
          empty="Tenants are the teams that share the pool. Create the first one, then give it a key."
          footer={
            <>
              <CutNote rows={tenants} all="the command line" />
              <CliCommand className="mt-3" command="gristmill tenant list" />
            </>
          }
        />
      </div>
      <TenantForm isOpen={isOpen} onClose={() => setOpen(false)} />
    </>
  )
}

/** @param total of all weights; null where it is not known */
function columns(total: number | null): Column<TenantView>[] {
  return [
    {
      title: 'Tenant',
      show: ({ id, name, hue }) => (
        <Link href={`/tenants/${id}`} className="hover:underline">
          <TenantName name={name} hue={hue} />
        </Link>
      ),
      csv: ({ name }) => name,
    },
    {
      title: 'Weight',
      note: 'Relative to the other tenants',
      show: ({ weight }) => weight,
      csv: ({ weight }) => weight,
      isNumber: true,
    },
    ...(total === null ? [] : [dueColumn(total)]),
    {
      title: 'Classes',
      note: 'Which its keys may ask for; the default comes first',
      show: ({ classes, defaultClass }) => (
        <span className="inline-flex flex-wrap justify-end gap-1">
          <ClassTag name={defaultClass} />
          {classes
            .filter((name) => name !== defaultClass)
            .map((name) => (
              <ClassTag key={name} name={name} />
            ))}
        </span>
      ),
      csv: ({ classes }) => classes.join(' '),
    },
    {
      title: 'Models',
      show: ({ models }) => models?.join(', ') ?? 'all',
      csv: ({ models }) => models?.join(' ') ?? 'all',
    },
    {
      title: 'Limits',
      show: ({ limits }) => limitsInWords(limits),
      csv: ({ limits }) => limitsInWords(limits),
    },
    {
      title: 'Keys',
      show: ({ id, keyCount }) => (
        <Link href={`/keys?tenant=${id}`} className="hover:underline">
          {keyCount}
        </Link>
      ),
      csv: ({ keyCount }) => keyCount,
      isNumber: true,
    },
    {
      title: 'Since',
      show: ({ createdAt }) => day(createdAt),
      csv: ({ createdAt }) => createdAt,
      isNumber: true,
    },
  ]
}

const dueColumn = (total: number): Column<TenantView> => ({
  title: 'Due when all want it',
  note: 'Its weight ÷ the sum of all weights',
  show: ({ weight }) => percent(weight / Math.max(total, weight), 1),
  csv: ({ weight }) => weight / Math.max(total, weight),
  isNumber: true,
})
