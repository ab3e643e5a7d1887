/** Booking the difference of a line as a variance, so that its period can be closed. */
import { useState } from 'react'
import { useChange } from '../api/changes.ts'
import type { ReconciliationLineView } from '../api/contract.ts'
import { Button } from '../parts/button.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { Field } from '../parts/field.tsx'
import { money, nanosOf } from '../parts/money.ts'
import { onSubmit, textOf } from '../parts/on-submit.ts'
import { shellWord } from '../parts/shell-word.ts'

interface VarianceFormProps {
  bill: number
  line: ReconciliationLineView
  currency: string
  onClose: () => void
}

export function VarianceForm({ bill, line, currency, onClose }: VarianceFormProps) {
  const lines = `/api/ledger/reconciliations/${bill}/lines`
  const save = useChange([lines, '/api/ledger/reconciliations'], onClose)
  const [reason, setReason] = useState('')
  const submit = (form: FormData) =>
    save.mutate({
      method: 'POST',
      path: `${lines}/${line.line}/variance`,
      body: { reason: textOf(form, 'reason') },
    })
  return (
    <form onSubmit={onSubmit(submit)} className="grid gap-3.5">
      <p className="text-soft">
        {money(nanosOf(line.difference), currency)} of {line.model} on {line.day} is booked as a
        variance: a row that is never changed. No tenant is charged for it, and nobody can take it
        back.
      </p>
      <Field
        label="Why"
        name="reason"
        required
        maxLength={500}
        hint="It stands beside the line, and in the audit log."
        onChange={(event) => setReason(event.target.value)}
        data-first
      />
      {save.error !== null && <ErrorNote error={save.error} />}
      <CliCommand
        command={`gristmill ledger variance ${bill} --line ${line.line} --reason ${shellWord(reason || '…')}`}
      />
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="main" type="submit" disabled={save.isPending}>
          {save.isPending ? 'Booking …' : 'Book it'}
        </Button>
      </div>
    </form>
  )
}
