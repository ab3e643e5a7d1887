/** How tenants prove themselves: every key, its state and when it was last used. */
import { Plus } from 'lucide-react'
import { useState } from 'react'
import { useSearchParams } from 'wouter'
import type { ServiceAccountView } from '../api/contract.ts'
import { useKeys, useTenants } from '../api/lists.ts'
import { useMay } from '../api/session.ts'
import { Button } from '../parts/button.tsx'
import { PageHead } from '../parts/page-head.tsx'
import { TenantFilter } from '../parts/tenant-filter.tsx'
import { KeyForm } from './key-form.tsx'
import { KeyTable } from './key-table.tsx'
import { keysSentence } from './keys-sentence.ts'
import { ServiceAccounts } from './service-accounts.tsx'

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
        sentence={keysSentence(keys, name, mayWrite)}
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
