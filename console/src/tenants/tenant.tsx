/** One tenant: what it may, its projects, its keys, and the way to its requests. */
import { useState } from 'react'
import { Link, useLocation } from 'wouter'
import { useChange } from '../api/changes.ts'
import type { TenantView } from '../api/contract.ts'
import { useTenants } from '../api/lists.ts'
import { useIsBound, useMay } from '../api/session.ts'
import { KeyTable } from '../keys/key-table.tsx'
import { Button, linkButtonClass } from '../parts/button.tsx'
import { Confirm } from '../parts/confirm.tsx'
import { Figure, Figures } from '../parts/figure.tsx'
import { limitsInWords } from '../parts/limit-fields.tsx'
import { Loading } from '../parts/loading.tsx'
import { LostPage } from '../parts/lost-page.tsx'
import { PageHead } from '../parts/page-head.tsx'
import { shellWord } from '../parts/shell-word.ts'
import { Swatch } from '../parts/tenant-name.tsx'
import { day, listed, percent, plural, weights } from '../units.ts'
import { Projects } from './projects.tsx'
import { TenantForm } from './tenant-form.tsx'

export default function Tenant({ id }: { id: string }) {
  const { data: tenants, error, refetch } = useTenants()
  const isBound = useIsBound()
  const back = (
    <Link href="/tenants" className="text-accent underline">
      All tenants
    </Link>
  )
  if (tenants === undefined) {
    if (error === null) return <Loading />
    return <LostPage error={error} onRetry={() => void refetch()} context={back} />
  }
  const tenant = tenants.find((one) => one.id === id)
  if (tenant === undefined) return <PageHead sentence="There is no such tenant." context={back} />
  const total = isBound ? null : tenants.reduce((sum, { weight }) => sum + weight, 0)
  return <Found tenant={tenant} total={total} />
}

/** @param total of all weights; null where it is not known */
function Found({ tenant, total }: { tenant: TenantView; total: number | null }) {
  const { id, name, hue, weight, classes, models, limits } = tenant
  const due = total === null ? null : percent(weight / total)
  const maySeeKeys = useMay('keys:read')
  return (
    <>
      <PageHead
        sentence={
          due === null
            ? `${name} shares the pool with weight ${weight}.`
            : `${name} is due ${due} of the pool while everybody wants it.`
        }
        context={
          <span className="inline-flex items-center gap-2">
            <Swatch hue={hue} /> since {day(tenant.createdAt)} · asks for {listed(classes)}, usually{' '}
            {tenant.defaultClass}
            {tenant.responseDays > 0 &&
              ` · responses are kept ${plural(tenant.responseDays, 'day')}`}
            {tenant.pricePlan !== null && ` · price plan ${tenant.pricePlan}`}
          </span>
        }
        aside={<Actions tenant={tenant} />}
      />
      <div className="grid gap-4">
        <Figures>
          <Figure
            label="Weight"
            value={String(weight)}
            unit={total === null ? '' : `of ${weights(total)}`}
            basis={due === null ? 'relative to all tenants' : `${due} when all want it`}
            definition="Its share of the pool is its weight ÷ the sum of all tenants’ weights"
          />
          <Figure
            label="Models"
            value={models === null ? 'all' : String(models.length)}
            basis={models?.join(', ') ?? 'whatever engines serve'}
            definition="Models that its keys may use"
          />
          <Figure
            label="Keys"
            value={String(tenant.keyCount)}
            basis={`in ${plural(tenant.projectCount, 'project')}`}
            definition="Keys that are not revoked"
          />
          <Figure
            label="Limits"
            value={String(Object.values(limits).filter((limit) => limit !== null).length)}
            unit="of 4 set"
            basis={limitsInWords(limits)}
            definition="The pool’s own limits hold in any case"
          />
        </Figures>
        <Projects tenant={tenant} />
        {maySeeKeys && <KeyTable tenantId={id} />}
      </div>
    </>
  )
}

function Actions({ tenant }: { tenant: TenantView }) {
  const mayWrite = useMay('tenants:write')
  const [open, setOpen] = useState<'change' | 'archive' | null>(null)
  const [, goTo] = useLocation()
  const archive = useChange(['/api/tenants', '/api/keys'], () => goTo('/tenants'))
  const { id, name } = tenant
  return (
    <>
      <Link href={`/requests?tenant=${id}`} className={linkButtonClass}>
        Requests
      </Link>
      <Link href={`/usage?tenant=${id}&by=key`} className={linkButtonClass}>
        Usage
      </Link>
      {mayWrite && <Button onClick={() => setOpen('change')}>Change</Button>}
      {mayWrite && (
        <Button look="danger" onClick={() => setOpen('archive')}>
          Archive
        </Button>
      )}
      <TenantForm tenant={tenant} isOpen={open === 'change'} onClose={() => setOpen(null)} />
      <Confirm
        title={`Archive ${name}?`}
        isOpen={open === 'archive'}
        onClose={() => setOpen(null)}
        action={`Archive ${name}`}
        command={`gristmill tenant remove ${shellWord(name)}`}
        isBusy={archive.isPending}
        error={archive.error}
        onConfirm={() => archive.mutate({ method: 'DELETE', path: `/api/tenants/${id}` })}
      >
        Its keys stop working at once. Its ledger rows stay, and so does its usage.
      </Confirm>
    </>
  )
}
