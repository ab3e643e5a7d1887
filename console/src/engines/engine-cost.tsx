/** What an hour of an engine costs, since when, and setting it anew. */
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useChange } from '../api/changes.ts'
import { get } from '../api/client.ts'
import type { EngineCostView, EngineView } from '../api/contract.ts'
import { useMay, useMayOfAll, useSignedIn } from '../api/session.ts'
import { Button } from '../parts/button.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { Field } from '../parts/field.tsx'
import { onSubmit, textOf } from '../parts/on-submit.ts'
import { shellWord } from '../parts/shell-word.ts'
import { moment } from '../units.ts'

const parts = [
  { name: 'machine', label: 'Machine', hint: 'Its rent, or what it loses in value.' },
  { name: 'energy', label: 'Energy', hint: 'What it draws.' },
  { name: 'staff', label: 'Staff', hint: 'Its share of the people who keep it running.' },
] as const

export function EngineCost({ engine }: { engine: EngineView }) {
  // Replicas of one name cost the same each.
  const { id, name } = engine.replicaOf ?? engine
  const path = `/api/engines/${id}/costs`
  const mayRead = useMay('costs:read')
  const mayWrite = useMayOfAll('costs:write')
  const { currency } = useSignedIn().session
  const [isOpen, setOpen] = useState(false)
  const { data, error } = useQuery({
    queryKey: [path],
    queryFn: ({ signal }) => get<EngineCostView[]>(path, signal),
    enabled: mayRead,
  })
  if (!mayRead) return null
  return (
    <div className="mt-3.5 border-t pt-3">
      <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2">
        <div className="min-w-0 text-[0.82rem]">
          <h3 className="inline font-[580]">Cost</h3>{' '}
          <span className="text-soft">{data && inWords(data, currency)}</span>
        </div>
        {mayWrite && <Button onClick={() => setOpen(true)}>Set its cost</Button>}
      </div>
      {error !== null && <ErrorNote error={error} />}
      <Dialog title={`What ${name} costs`} isOpen={isOpen} onClose={() => setOpen(false)}>
        <Form path={path} name={name} now={data?.[0]} onClose={() => setOpen(false)} />
      </Dialog>
    </div>
  )
}

function inWords([newest]: EngineCostView[], currency: string): string {
  if (newest === undefined) return 'unknown: none is set, so what runs there costs nobody anything'
  const { total, machine, energy, staff, fromAt } = newest
  return `${total}\u00a0${currency} an hour since ${moment(fromAt)}: machine ${machine}, energy ${energy}, staff ${staff}`
}

interface FormProps {
  path: string
  name: string
  now: EngineCostView | undefined
  onClose: () => void
}

function Form({ path, name, now, onClose }: FormProps) {
  const save = useChange<EngineCostView>(['/api/engines'], onClose)
  const { currency } = useSignedIn().session
  const [command, setCommand] = useState(`gristmill engine cost show ${shellWord(name)}`)
  const given = (form: FormData) =>
    parts.map((part) => [part.name, textOf(form, part.name)] as const).filter(([, text]) => text)
  const submit = (form: FormData) =>
    save.mutate({ method: 'POST', path, body: Object.fromEntries(given(form)) })
  const tell = (form: FormData) => {
    const flags = given(form).map(([part, text]) => `--${part} ${shellWord(text)}`)
    setCommand(`gristmill engine cost set ${shellWord(name)} ${flags.join(' ')}`)
  }
  return (
    <form
      onSubmit={onSubmit(submit)}
      onChange={(event) => tell(new FormData(event.currentTarget))}
      className="grid gap-3.5"
    >
      {parts.map((part, at) => (
        <Field
          key={part.name}
          label={`${part.label}, ${currency} for an hour`}
          name={part.name}
          inputMode="decimal"
          pattern="\d{1,9}(\.\d{1,9})?"
          defaultValue={now?.[part.name] ?? '0'}
          hint={part.hint}
          {...(at === 0 && { 'data-first': true })}
        />
      ))}
      <p className="text-[0.75rem] text-soft">
        It holds from the next minute on; what was before stays.
      </p>
      {save.error !== null && <ErrorNote error={save.error} />}
      <CliCommand command={command} />
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="main" type="submit" disabled={save.isPending}>
          Save
        </Button>
      </div>
    </form>
  )
}
