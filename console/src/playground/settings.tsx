/** Who asks, what, and how: the settings of the playground. */
import type { ModelView, ServiceClassName, TenantView } from '../api/contract.ts'
import { Choice, controlClass, Field } from '../parts/field.tsx'
import type { ChatSettings } from './chat-stream.ts'

export interface SettingsProps {
  settings: ChatSettings
  tenants: readonly TenantView[]
  models: readonly ModelView[]
  /** False while nobody knows what there is. */
  isKnown: boolean
  onChange: (change: Partial<ChatSettings>) => void
}

export function Settings({ settings, tenants, models, isKnown, onChange }: SettingsProps) {
  const tenant = tenants.find(({ id }) => id === settings.tenantId)
  const allowed = models.filter(({ name }) => tenant?.models?.includes(name) ?? true)
  return (
    <div className="grid gap-3 sm:grid-cols-2 lg:grid-cols-1">
      <Choice
        label="Tenant"
        value={settings.tenantId}
        onChange={(event) => onChange({ tenantId: event.target.value })}
        hint="Who pays, in whose name it queues."
      >
        {tenants.map(({ id, name }) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
      </Choice>
      <Choice
        label="Model"
        value={settings.model}
        onChange={(event) => onChange({ model: event.target.value })}
        hint={isKnown && allowed.length === 0 ? 'No engine serves one right now.' : undefined}
      >
        {allowed.map(({ name, toy }) => (
          <option key={name} value={name}>
            {name}
            {toy ? ' (toy)' : ''}
          </option>
        ))}
      </Choice>
      <Choice
        label="Class"
        value={settings.serviceClass}
        onChange={(event) => onChange({ serviceClass: event.target.value as ServiceClassName })}
      >
        {(tenant?.classes ?? ['standard']).map((name) => (
          <option key={name}>{name}</option>
        ))}
      </Choice>
      <div className="grid grid-cols-2 gap-3">
        <Field
          label="Temperature"
          type="number"
          min={0}
          max={2}
          step={0.1}
          value={settings.temperature}
          onChange={(event) => onChange({ temperature: Number(event.target.value) })}
        />
        <Field
          label="Max tokens"
          type="number"
          min={1}
          max={8192}
          step={1}
          value={settings.maxTokens}
          onChange={(event) => onChange({ maxTokens: Number(event.target.value) })}
        />
      </div>
      <label className="block sm:col-span-2 lg:col-span-1">
        <span className="mb-1 block text-[0.8rem] font-medium">System prompt</span>
        <textarea
          rows={3}
          value={settings.system}
          onChange={(event) => onChange({ system: event.target.value })}
          placeholder="none"
          className={controlClass}
        />
      </label>
    </div>
  )
}
