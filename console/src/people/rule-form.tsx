/** One rule: what a group of the directory may. */
import { useId, useState } from 'react'
import type { AccessRulesView, RoleName, UserView } from '../api/contract.ts'
import { Button } from '../parts/button.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { onSubmit, textOf } from '../parts/on-submit.ts'
import { roles } from './roles.ts'
import { TenantBoxes } from './tenant-boxes.tsx'

export type Rule = AccessRulesView['rules'][number]

export interface RuleFormProps {
  /** Absent where a rule is added. */
  rule?: Rule
  /** Whose groups are offered. */
  users: readonly UserView[]
  isOpen: boolean
  isBusy: boolean
  error: unknown
  onSave: (rule: Rule) => void
  onClose: () => void
}

export function RuleForm(props: RuleFormProps) {
  const { rule, isOpen, onClose } = props
  const title = rule === undefined ? 'A rule for a group' : `What ${rule.group} may`
  return (
    <Dialog title={title} isOpen={isOpen} onClose={onClose}>
      <Form {...props} />
    </Dialog>
  )
}

function Form({ rule, users, isBusy, error, onSave, onClose }: RuleFormProps) {
  const [role, setRole] = useState<RoleName>(rule?.role ?? 'member')
  const known = useId()
  const groups = [...new Set(users.flatMap((user) => user.groups))].sort()
  const submit = (form: FormData) =>
    onSave({ group: textOf(form, 'group'), role, tenantIds: form.getAll('tenants').map(String) })
  return (
    <form onSubmit={onSubmit(submit)} className="grid gap-3.5">
      <Field
        label="Group"
        name="group"
        required
        maxLength={300}
        list={known}
        defaultValue={rule?.group}
        hint="Letter by letter as the directory calls it; Entra sends object ids."
        data-first
      />
      <datalist id={known}>
        {groups.map((group) => (
          <option key={group} value={group} />
        ))}
      </datalist>
      <Choice
        label="Role"
        value={role}
        onChange={(event) => setRole(event.target.value as RoleName)}
        hint={roles[role]}
      >
        {Object.keys(roles).map((one) => (
          <option key={one}>{one}</option>
        ))}
      </Choice>
      <TenantBoxes role={role} chosen={rule?.tenantIds ?? []} />
      {error != null && <ErrorNote error={error} />}
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="main" type="submit" disabled={isBusy}>
          {rule === undefined ? 'Add the rule' : 'Save'}
        </Button>
      </div>
    </form>
  )
}
