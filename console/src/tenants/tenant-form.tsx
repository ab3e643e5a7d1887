/** Creating a tenant, or changing one. */
import { useState } from 'react'
import { useChange } from '../api/changes.ts'
import type { ServiceClassName, TenantView } from '../api/contract.ts'
import { useModels } from '../api/lists.ts'
import { Button } from '../parts/button.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { LimitFields, limitFlags, limitsOf } from '../parts/limit-fields.tsx'
import { onSubmit, textOf } from '../parts/on-submit.ts'
import { shellWord } from '../parts/shell-word.ts'

const everyClass: ServiceClassName[] = ['priority', 'standard', 'flex', 'batch']

export interface TenantFormProps {
  /** Absent where a new one is made. */
  tenant?: TenantView
  isOpen: boolean
  onClose: () => void
}

export function TenantForm({ tenant, isOpen, onClose }: TenantFormProps) {
  return (
    <Dialog
      title={tenant === undefined ? 'New tenant' : `Change ${tenant.name}`}
      isOpen={isOpen}
      onClose={onClose}
    >
      <Form {...(tenant && { tenant })} onClose={onClose} />
    </Dialog>
  )
}

function Form({ tenant, onClose }: Omit<TenantFormProps, 'isOpen'>) {
  const save = useChange<TenantView>(['/api/tenants'], onClose)
  const models = useModels().data ?? []
  const [command, setCommand] = useState(commandOf(null, tenant))
  const submit = (form: FormData) =>
    save.mutate({
      method: tenant === undefined ? 'POST' : 'PATCH',
      path: tenant === undefined ? '/api/tenants' : `/api/tenants/${tenant.id}`,
      body: bodyOf(form),
    })
  return (
    <form
      onSubmit={onSubmit(submit)}
      onChange={(event) => setCommand(commandOf(new FormData(event.currentTarget), tenant))}
      className="grid gap-3.5"
    >
      <div className="grid grid-cols-[1fr_7rem] gap-3">
        <Field
          label="Name"
          name="name"
          required
          maxLength={100}
          defaultValue={tenant?.name}
          data-first
        />
        <Field
          label="Weight"
          name="weight"
          type="number"
          min={0.001}
          step="any"
          required
          defaultValue={tenant?.weight ?? 1}
        />
      </div>
      <fieldset>
        <legend className="mb-1 text-[0.8rem] font-medium">Classes its keys may ask for</legend>
        <div className="flex flex-wrap gap-x-4 gap-y-1">
          {everyClass.map((name) => (
            <Check
              key={name}
              name="classes"
              value={name}
              isOn={tenant?.classes.includes(name) ?? true}
            />
          ))}
        </div>
      </fieldset>
      <Choice
        label="Default class"
        name="defaultClass"
        defaultValue={tenant?.defaultClass ?? 'standard'}
        hint="For requests that name none."
      >
        {everyClass.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </Choice>
      <fieldset>
        <legend className="mb-1 text-[0.8rem] font-medium">Models, all where none is chosen</legend>
        <div className="flex flex-wrap gap-x-4 gap-y-1">
          {[...new Set([...models.map(({ name }) => name), ...(tenant?.models ?? [])])].map(
            (name) => (
              <Check
                key={name}
                name="models"
                value={name}
                isOn={tenant?.models?.includes(name) ?? false}
              />
            ),
          )}
          {models.length === 0 && (
            <span className="text-soft">No engine serves one right now.</span>
          )}
        </div>
      </fieldset>
      <LimitFields {...(tenant && { limits: tenant.limits })} />
      <Field
        label="Days that responses are kept"
        name="responseDays"
        type="number"
        min={0}
        max={3650}
        step={1}
        required
        defaultValue={tenant?.responseDays ?? 0}
        hint="Sealed, for previous_response_id and background work on the Responses door; 0 keeps none and destroys what is kept."
      />
      <Field
        label="Price plan"
        name="pricePlan"
        pattern="[a-z0-9][a-z0-9._\-]*"
        maxLength={64}
        defaultValue={tenant?.pricePlan ?? ''}
        hint="Prices for this plan go before those for everybody, which hold where it is empty."
      />
      {save.error !== null && <ErrorNote error={save.error} />}
      <CliCommand command={command} />
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="main" type="submit" disabled={save.isPending}>
          {tenant === undefined ? 'Create' : 'Save'}
        </Button>
      </div>
    </form>
  )
}

function Check({ name, value, isOn }: { name: string; value: string; isOn: boolean }) {
  return (
    <label className="inline-flex items-center gap-1.5">
      <input
        type="checkbox"
        name={name}
        value={value}
        defaultChecked={isOn}
        className="size-4 accent-(--accent)"
      />
      {value}
    </label>
  )
}

function bodyOf(form: FormData) {
  const models = form.getAll('models')
  return {
    name: textOf(form, 'name'),
    weight: Number(textOf(form, 'weight')),
    classes: form.getAll('classes'),
    defaultClass: textOf(form, 'defaultClass'),
    models: models.length === 0 ? null : models,
    limits: limitsOf(form),
    responseDays: Number(textOf(form, 'responseDays')),
    pricePlan: textOf(form, 'pricePlan') || null,
  }
}

/** What the form will do, as a command; only what differs is named. */
function commandOf(form: FormData | null, tenant: TenantView | undefined): string {
  const body = form === null ? null : bodyOf(form)
  const name = shellWord(tenant?.name ?? (body?.name || 'NAME'))
  const start = tenant === undefined ? `tenant create ${name}` : `tenant update ${name}`
  const weight = body?.weight ?? tenant?.weight ?? 1
  const parts = [`gristmill ${start}`]
  if (tenant !== undefined && body !== null && body.name !== tenant.name) {
    parts.push(` --name ${shellWord(body.name)}`)
  }
  if (weight !== tenant?.weight) parts.push(` --weight ${weight}`)
  if (body === null) return parts.join('')
  const classes = body.classes.join(',')
  if (classes !== (tenant?.classes ?? everyClass).join(',')) parts.push(` --classes ${classes}`)
  if (body.defaultClass !== (tenant?.defaultClass ?? 'standard')) {
    parts.push(` --default-class ${body.defaultClass}`)
  }
  const models = body.models?.join(',') ?? 'all'
  if (models !== (tenant?.models?.join(',') ?? 'all')) parts.push(` --models ${shellWord(models)}`)
  if (body.responseDays !== (tenant?.responseDays ?? 0)) {
    parts.push(` --keep-responses ${body.responseDays}`)
  }
  if (body.pricePlan !== (tenant?.pricePlan ?? null)) {
    parts.push(` --price-plan ${body.pricePlan ?? 'none'}`)
  }
  return parts.join('') + limitFlags(body.limits, tenant?.limits)
}
