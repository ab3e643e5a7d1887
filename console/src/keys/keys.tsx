/** How tenants prove themselves: every key, its state and when it was last used. */
import { Plus } from 'lucide-react'
import { useState } from 'react'
import { useSearchParams } from 'wouter'
import type { KeyView, ServiceAccountView } from '../api/contract.ts'
import { useKeys, useTenants } from '../api/lists.ts'
import { useMay } from '../api/session.ts'
import { Button } from '../parts/button.tsx'
import { PageHead } from '../parts/page-head.tsx'
import { TenantFilter } from '../parts/tenant-filter.tsx'
import { plural } from '../units.ts'
import { KeyForm } from './key-form.tsx'
import { KeyTable } from './key-table.tsx'
import { ServiceAccounts } from './service-accounts.tsx'

const DAY_MS = 86_400_000
const SOON_MS = 14 * DAY_MS

export default function Keys() {
  const [search] = useSearchParams()
  const tenantId = search.get('tenant') ?? undefined
  const { data: keys, error } = useKeys(tenantId)
  const tenants = useTenants().data
  const mayWrite = useMay('keys:write')
  const [open, setOpen] = useState<'create' | 'import' | ServiceAccountView | null>(null)
  const name = tenants?.find(({ id }) => id === tenantId)?.name
  return (
    <>
      <PageHead
        sentence={sentence(keys, name, mayWrite)}
        isLost={keys === undefined && error !== null}
        context="A key is shown once, when it is made. It stops working within a second of being revoked."
        aside={
          <>
            <TenantFilter />
            {mayWrite && (
              <>
                <Button onClick={() => setOpen('import')}>Move one in</Button>
                <Button look="main" onClick={() => setOpen('create')}>
                  <Plus size={15} aria-hidden /> New key
                </Button>
              </>
            )}
          </>
        }
      />
      <KeyTable {...(tenantId !== undefined && { tenantId })} isPage />
      <ServiceAccounts {...(tenantId !== undefined && { tenantId })} onKey={setOpen} />
      <KeyForm
        {...(tenantId !== undefined && { tenantId })}
        account={typeof open === 'object' ? open : null}
        isImport={open === 'import'}
        isOpen={open !== null}
        onClose={() => setOpen(null)}
      />
    </>
  )
}

function sentence(
  keys: readonly KeyView[] | undefined,
  name: string | undefined,
  mayWrite: boolean,
) {
  if (keys === undefined) return 'Looking up the keys.'
  const who = name === undefined ? '' : ` of ${name}`
  const working = keys.filter(({ state }) => state === 'active' || state === 'rotating')
  if (working.length === 0) {
    return mayWrite ? `No key${who} works. Create one and calls can begin.` : `No key${who} works.`
  }
  const unused = working.filter(({ lastUsedAt }) => lastUsedAt === null).length
  const ending = working.filter(
    ({ expiresAt }) => expiresAt !== null && Date.parse(expiresAt) - Date.now() < SOON_MS,
  ).length
  const rotating = working.filter(({ state }) => state === 'rotating').length
  const notes = [
    unused === 0 ? '' : `${unused} never used`,
    rotating === 0 ? '' : `${rotating} with an old secret that still works`,
    ending === 0 ? '' : `${ending} ${ending === 1 ? 'expires' : 'expire'} within 14 days`,
  ].filter(Boolean)
  const rest = notes.length === 0 ? '' : `: ${notes.join(', ')}`
  return `${plural(working.length, 'key')}${who} ${working.length === 1 ? 'works' : 'work'}${rest}.`
}
