/** Which tenants somebody, or a group, is bound to. */
import type { RoleName } from '../api/contract.ts'
import { useTenants } from '../api/lists.ts'

export function TenantBoxes({ role, chosen }: { role: RoleName; chosen: readonly string[] }) {
  const tenants = useTenants().data ?? []
  return (
    <fieldset>
      <legend className="mb-1 text-[0.8rem] font-medium">
        {role === 'member' ? 'Tenants they work for' : 'Bound to tenants, all where none is chosen'}
      </legend>
      <div className="flex max-h-36 flex-wrap gap-x-4 gap-y-1 overflow-auto">
        {tenants.map(({ id, name }) => (
          <label key={id} className="inline-flex items-center gap-1.5">
            <input
              type="checkbox"
              name="tenants"
              value={id}
              defaultChecked={chosen.includes(id)}
              className="size-4 accent-(--accent)"
            />
            {name}
          </label>
        ))}
      </div>
    </fieldset>
  )
}
