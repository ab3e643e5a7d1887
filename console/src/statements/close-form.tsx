/** Closing a month: a numbered statement for each tenant. */
import { useState } from 'react'
import { useChange } from '../api/changes.ts'
import type { ClosedView } from '../api/contract.ts'
import { Button } from '../parts/button.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { onSubmit, textOf } from '../parts/on-submit.ts'
import { plural } from '../units.ts'

/** The month before the running one. */
function lastMonth(): string {
  const now = new Date()
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1)).toISOString().slice(0, 7)
}

export function CloseForm({ onClose }: { onClose: () => void }) {
  const [closed, setClosed] = useState<ClosedView | null>(null)
  const [chosen, setChosen] = useState({ month: lastMonth(), rule: 'operator', basis: 'cost' })
  const save = useChange<ClosedView>(['/api/statements'], setClosed)
  if (closed !== null) return <Done closed={closed} onClose={onClose} />
  const { month, rule, basis } = chosen
  const submit = (form: FormData) => {
    const [year = 0, number = 1] = textOf(form, 'month').split('-').map(Number)
    const at = (more: number) => new Date(Date.UTC(year, number - 1 + more)).toISOString()
    const body = {
      from: at(0),
      to: at(1),
      rule: textOf(form, 'rule'),
      basis: textOf(form, 'basis'),
    }
    save.mutate({ method: 'POST', path: '/api/ledger/close', body })
  }
  return (
    <form
      onSubmit={onSubmit(submit)}
      onChange={(event) => {
        const form = new FormData(event.currentTarget)
        const [now, by, of] = ['month', 'rule', 'basis'].map((name) => textOf(form, name))
        setChosen({ month: now ?? '', rule: by ?? '', basis: of ?? '' })
      }}
      className="grid gap-3.5"
    >
      <Field
        label="Month"
        name="month"
        type="month"
        defaultValue={month}
        max={lastMonth()}
        required
        hint="In UTC, and over."
        data-first
      />
      <Choice label="Who pays for idle engines" name="rule" defaultValue={rule}>
        <option value="operator">the operator keeps it</option>
        <option value="weight">all tenants, by weight</option>
        <option value="use">tenants, by use</option>
      </Choice>
      <Choice
        label="What is billed"
        name="basis"
        defaultValue={basis}
        hint="The other stands beside it, for information."
      >
        <option value="cost">the share of costs</option>
        <option value="prices">use at the price book</option>
      </Choice>
      <p className="text-[0.75rem] text-soft">
        No cost of an engine can be set for it any more. A statement that is wrong is taken back by
        a credit note.
      </p>
      {save.error !== null && <ErrorNote error={save.error} />}
      <CliCommand
        command={`gristmill ledger close --period ${month} --rule ${rule} --basis ${basis}`}
      />
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="main" type="submit" disabled={save.isPending}>
          {save.isPending ? 'Closing …' : 'Close it'}
        </Button>
      </div>
    </form>
  )
}

function Done({ closed, onClose }: { closed: ClosedView; onClose: () => void }) {
  const { statements, warnings } = closed
  return (
    <div className="grid gap-3.5">
      <p role="status">
        {plural(statements.length, 'statement')}: numbers {statements[0]?.number} to{' '}
        {statements.at(-1)?.number}.
      </p>
      {warnings.map((warning) => (
        <p key={warning} className="text-warn">
          {warning}
        </p>
      ))}
      <div className="flex justify-end">
        <Button look="main" onClick={onClose}>
          Done
        </Button>
      </div>
    </div>
  )
}
