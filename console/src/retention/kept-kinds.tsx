/** Everything that is kept: what it is, how long, who says so, and how much there is. */
import { Link } from 'wouter'
import type { KeptKindView } from '../api/contract.ts'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { NOTHING } from '../parts/table-looks.ts'
import { bytes } from '../units.ts'
import { aboutRows, keptInWords } from './retention-words.ts'

export function KeptKinds({ kinds }: { kinds: readonly KeptKindView[] }) {
  return (
    <DataTable
      title="Everything that is kept"
      note="prompts and answers only where files and responses are"
      name="kept"
      columns={columns}
      rows={kinds}
      rowId={({ kind }) => kind}
      empty=""
      footer={
        <p className="mt-3 text-soft">
          Variables are read when a gateway starts. How long responses are kept is said by tenant,
          and holds at once for what is there already.
        </p>
      }
    />
  )
}

const columns: Column<KeptKindView>[] = [
  {
    title: 'What',
    show: ({ name, what }) => (
      <span>
        {name} <span className="block font-normal text-soft">{what}</span>
      </span>
    ),
    csv: ({ name }) => name,
  },
  { title: 'Kept', show: keptInWords, csv: keptInWords },
  {
    title: 'Set by',
    show: ({ setting, byTenant }) => {
      if (setting !== null) return <code className="text-[0.74rem] wrap-anywhere">{setting}</code>
      if (byTenant === null) return NOTHING
      return (
        <Link href="/tenants" className="text-accent underline-offset-2 hover:underline">
          each tenant
        </Link>
      )
    },
    csv: ({ setting, byTenant }) => setting ?? (byTenant === null ? '' : 'tenants'),
  },
  {
    title: 'Rows',
    note: 'Where there are many, PostgreSQL’s estimate, which says about',
    show: ({ size }) => (size === null ? NOTHING : aboutRows(size.rows, size.isEstimate)),
    csv: ({ size }) => size?.rows ?? null,
    isNumber: true,
  },
  {
    title: 'On disk',
    note: 'Indexes included',
    show: ({ size }) => (size === null ? 'in memory' : bytes(size.bytes)),
    csv: ({ size }) => size?.bytes ?? null,
    isNumber: true,
  },
]
