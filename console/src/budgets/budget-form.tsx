/** Making a budget, and changing one. */
import { useState } from 'react'
import { useChange } from '../api/changes.ts'
import type { BudgetView } from '../api/contract.ts'
import { useKeys, useProjects, useTenants } from '../api/lists.ts'
import { useSignedIn } from '../api/session.ts'
import { Button } from '../parts/button.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { onSubmit, textOf } from '../parts/on-submit.ts'
import { shellWord } from '../parts/shell-word.ts'
import { periodWords } from './budget-words.ts'

const LISTS = ['/api/budgets']

/** Amounts as the API takes them. */
const patterns: Record<string, string> = {
  money: '\\d{1,9}(\\.\\d{1,9})?',
  tokens: '\\d{1,15}',
  engine_seconds: '\\d{1,9}(\\.\\d{1,3})?',
}

const scopes = {
  tenant: 'the whole tenant',
  project: 'a project',
  key: 'a key',
  each: 'each end user',
  endUser: 'one end user',
}

export function NewBudget({ tenantId, onClose }: { tenantId?: string; onClose: () => void }) {
  const save = useChange<BudgetView>(LISTS, onClose)
  const tenants = useTenants().data ?? []
  const { currency } = useSignedIn().session
  const [given, setGiven] = useState({
    tenantId: '',
    unit: 'money',
    scope: 'tenant',
    isHard: 'yes',
  })
  const [command, setCommand] = useState('gristmill budget create')
  const tenant = given.tenantId || tenantId || (tenants[0]?.id ?? '')
  const tell = (form: FormData) => {
    const [chosen, unit, scope, isHard] = ['tenantId', 'unit', 'scope', 'isHard'].map((name) =>
      textOf(form, name),
    )
    setGiven({ tenantId: chosen ?? '', unit: unit ?? '', scope: scope ?? '', isHard: isHard ?? '' })
    const name = tenants.find(({ id }) => id === chosen)?.name ?? ''
    setCommand(commandOf(bodyOf(form), name))
  }
  return (
    <form
      onSubmit={onSubmit((form) =>
        save.mutate({ method: 'POST', path: '/api/budgets', body: bodyOf(form) }),
      )}
      onChange={(event) => tell(new FormData(event.currentTarget))}
      className="grid gap-3.5"
    >
      <Field label="Name" name="name" required maxLength={100} placeholder="november" data-first />
      <div className="grid grid-cols-2 gap-3">
        <Choice label="Tenant" name="tenantId" value={tenant} onChange={() => undefined}>
          {tenants.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </Choice>
        <Choice label="For" name="scope" defaultValue="tenant">
          {Object.entries(scopes).map(([name, words]) => (
            <option key={name} value={name}>
              {words}
            </option>
          ))}
        </Choice>
      </div>
      <Subject tenantId={tenant} scope={given.scope} />
      <div className="grid grid-cols-2 gap-3">
        <Choice label="Unit" name="unit" defaultValue="money">
          <option value="money">money, {currency}</option>
          <option value="tokens">tokens</option>
          <option value="engine_seconds">engine-seconds</option>
        </Choice>
        <Field
          label="Limit"
          name="limit"
          required
          inputMode="decimal"
          pattern={patterns[given.unit] ?? ''}
          placeholder={given.unit === 'tokens' ? '2000000' : '250'}
        />
        <Choice label="Renews" name="period" defaultValue="month" hint="In the tenant’s time zone.">
          {Object.entries(periodWords).map(([name, words]) => (
            <option key={name} value={name}>
              {words}
            </option>
          ))}
        </Choice>
        <Hardness isHard />
      </div>
      <Clamps isShown={given.isHard === 'yes'} isOn={false} />
      {save.error !== null && <ErrorNote error={save.error} />}
      <CliCommand command={command} />
      <Ends onClose={onClose} isBusy={save.isPending} words="Make it" />
    </form>
  )
}

/** Project, key or end user, where it is for one. */
function Subject({ tenantId, scope }: { tenantId: string; scope: string }) {
  const projects = useProjects(tenantId).data ?? []
  const keys = (useKeys(tenantId).data ?? []).filter((key) => key.tenantId === tenantId)
  if (scope === 'endUser') return <Field label="End user" name="endUser" required maxLength={256} />
  if (scope !== 'project' && scope !== 'key') return null
  const found = scope === 'project' ? projects : keys
  return (
    <Choice
      label={scope === 'project' ? 'Project' : 'Key'}
      name={scope === 'project' ? 'projectId' : 'keyId'}
      required
      hint={found.length === 0 ? 'The tenant has none.' : undefined}
    >
      {found.map(({ id, name }) => (
        <option key={id} value={id}>
          {name}
        </option>
      ))}
    </Choice>
  )
}

function Hardness({ isHard }: { isHard: boolean }) {
  return (
    <Choice label="When it is used up" name="isHard" defaultValue={isHard ? 'yes' : 'no'}>
      <option value="yes">refuse (hard)</option>
      <option value="no">only tell (soft)</option>
    </Choice>
  )
}

function Clamps({ isShown, isOn }: { isShown: boolean; isOn: boolean }) {
  if (!isShown) return null
  return (
    <label className="flex items-baseline gap-2 text-[0.84rem]">
      <input type="checkbox" name="clamps" defaultChecked={isOn} />
      Make an answer shorter where it would not fit otherwise
    </label>
  )
}

function Ends({ onClose, isBusy, words }: { onClose: () => void; isBusy: boolean; words: string }) {
  return (
    <div className="flex justify-end gap-2">
      <Button onClick={onClose}>Cancel</Button>
      <Button look="main" type="submit" disabled={isBusy}>
        {words}
      </Button>
    </div>
  )
}

function bodyOf(form: FormData) {
  const scope = textOf(form, 'scope')
  const [projectId, keyId, endUser] = ['projectId', 'keyId', 'endUser'].map((name) =>
    textOf(form, name),
  )
  return {
    name: textOf(form, 'name'),
    tenantId: textOf(form, 'tenantId'),
    ...(scope === 'project' && { projectId }),
    ...(scope === 'key' && { keyId }),
    ...(scope === 'endUser' && { endUser }),
    ...(scope === 'each' && { endUser: '*' }),
    unit: textOf(form, 'unit'),
    limit: textOf(form, 'limit'),
    period: textOf(form, 'period'),
    isHard: textOf(form, 'isHard') === 'yes',
    clamps: form.get('clamps') !== null,
  }
}

function commandOf(body: ReturnType<typeof bodyOf>, tenant: string): string {
  const { name, projectId, keyId, endUser, unit, limit, period, isHard, clamps } = body
  const flags = [
    ['--tenant', tenant],
    ['--project', projectId],
    ['--key', keyId],
    ['--end-user', endUser],
    ['--unit', unit],
    ['--limit', limit],
    ['--period', period],
  ].flatMap(([flag, value]) => (value ? [`${flag} ${shellWord(value)}`] : []))
  const switches = [...(isHard ? [] : ['--soft']), ...(clamps ? ['--clamp'] : [])]
  return ['gristmill budget create', shellWord(name || '…'), ...flags, ...switches].join(' ')
}

export function ChangeBudget({ budget, onClose }: { budget: BudgetView; onClose: () => void }) {
  const { id, name, limit, unit, isHard, clamps } = budget
  const save = useChange<BudgetView>(LISTS, onClose)
  const [command, setCommand] = useState(`gristmill budget update ${id}`)
  const [hard, setHard] = useState(isHard)
  const changes = (form: FormData) => ({
    name: textOf(form, 'name'),
    limit: textOf(form, 'limit'),
    isHard: textOf(form, 'isHard') === 'yes',
    clamps: form.get('clamps') !== null,
  })
  const tell = (form: FormData) => {
    const now = changes(form)
    setHard(now.isHard)
    const flags = [
      ...(now.name === name ? [] : [`--name ${shellWord(now.name)}`]),
      ...(now.limit === limit ? [] : [`--limit ${shellWord(now.limit)}`]),
      ...(now.isHard === isHard ? [] : [now.isHard ? '--hard' : '--no-hard']),
      ...(now.clamps === clamps ? [] : [now.clamps ? '--clamp' : '--no-clamp']),
    ]
    setCommand(['gristmill budget update', id, ...flags].join(' '))
  }
  return (
    <form
      onSubmit={onSubmit((form) =>
        save.mutate({ method: 'PATCH', path: `/api/budgets/${id}`, body: changes(form) }),
      )}
      onChange={(event) => tell(new FormData(event.currentTarget))}
      className="grid gap-3.5"
    >
      <Field label="Name" name="name" required maxLength={100} defaultValue={name} data-first />
      <div className="grid grid-cols-2 gap-3">
        <Field
          label="Limit"
          name="limit"
          required
          inputMode="decimal"
          pattern={patterns[unit] ?? ''}
          defaultValue={limit}
          hint="A lower one holds at once for what is not set aside."
        />
        <Hardness isHard={isHard} />
      </div>
      <Clamps isShown={hard} isOn={clamps} />
      {save.error !== null && <ErrorNote error={save.error} />}
      <CliCommand command={command} />
      <Ends onClose={onClose} isBusy={save.isPending} words="Save" />
    </form>
  )
}
