/** Whose a batch is, and what it asks for. */
import type { ReactNode } from 'react'
import { Link } from 'wouter'
import type { BatchView } from '../api/contract.ts'
import { keyName } from '../api/key-names.ts'
import { useKeys, useProjects } from '../api/lists.ts'
import { Card } from '../parts/card.tsx'
import { ClassTag } from '../parts/class-tag.tsx'
import { TenantName } from '../parts/tenant-name.tsx'

export interface ParticularsProps {
  batch: BatchView
  tenant: { name: string; hue: number } | undefined
}

export function Particulars({ batch, tenant }: ParticularsProps) {
  const { tenantId, projectId, keyId, serviceClass, model, endpoint, metadata } = batch
  const project = useProjects(tenantId).data?.find(({ id }) => id === projectId)
  const keys = useKeys(tenantId).data
  const link = 'underline-offset-2 hover:underline'
  const facts: { name: string; value: ReactNode }[] = [
    {
      name: 'Tenant',
      value: (
        <Link href={`/tenants/${tenantId}`} className={link}>
          <TenantName name={tenant?.name ?? tenantId} hue={tenant?.hue ?? -1} />
        </Link>
      ),
    },
    { name: 'Project', value: project?.name ?? projectId },
    { name: 'Key', value: keyName(keyId, keys) },
    {
      name: 'Requests',
      value: (
        <Link
          href={`/requests?tenant=${tenantId}&key=${keyId}`}
          className="text-accent underline underline-offset-2"
        >
          of the same key
        </Link>
      ),
    },
    { name: 'Class', value: <ClassTag name={serviceClass} /> },
    { name: 'Model', value: model ?? 'several, or not known yet' },
    { name: 'Endpoint', value: endpoint },
    { name: 'Metadata', value: metadataInWords(metadata) },
  ]
  return (
    <Card title="Whose and what">
      <dl className="grid grid-cols-2 gap-x-6 gap-y-3 text-[0.84rem] md:grid-cols-4">
        {facts.map(({ name, value }) => (
          <div key={name} className="min-w-0">
            <dt className="text-[0.75rem] text-soft">{name}</dt>
            <dd className="wrap-anywhere">{value}</dd>
          </div>
        ))}
      </dl>
    </Card>
  )
}

function metadataInWords(metadata: BatchView['metadata']): string {
  const entries = Object.entries(metadata ?? {})
  return entries.length === 0
    ? 'none'
    : entries.map(([key, value]) => `${key}: ${value}`).join(', ')
}
