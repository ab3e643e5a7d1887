/** Chooses a tenant; the choice lives in the address. */
import { useSearchParams } from 'wouter'
import { useTenants } from '../api/lists.ts'
import { controlClass } from './field.tsx'

export function TenantFilter() {
  const [search, setSearch] = useSearchParams()
  const tenants = useTenants().data ?? []
  return (
    <select
      aria-label="Tenant"
      value={search.get('tenant') ?? ''}
      onChange={(event) =>
        setSearch(withParameter('tenant', event.target.value), { replace: true })
      }
      className={`${controlClass} w-auto! max-w-[13rem]`}
    >
      <option value="">All tenants</option>
      {tenants.map(({ id, name }) => (
        <option key={id} value={id}>
          {name}
        </option>
      ))}
    </select>
  )
}

/** The address's parameters with one set, or without it where it is empty. */
export function withParameter(name: string, value: string) {
  return (before: URLSearchParams): URLSearchParams => {
    const after = new URLSearchParams(before)
    if (value === '') after.delete(name)
    else after.set(name, value)
    return after
  }
}
