/** Adding a price: the one before it stays in the book. */
import { useState } from 'react'
import { useChange } from '../api/changes.ts'
import { useModels, useTenants } from '../api/lists.ts'
import { Button } from '../parts/button.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { onSubmit, textOf } from '../parts/on-submit.ts'
import { shellWord } from '../parts/shell-word.ts'

export interface PriceFormProps {
  currency: string
  isOpen: boolean
  onClose: () => void
}

/** Field of the API, label and flag; the first four are always to be seen. */
const amounts = [
  ['input', 'Prompt tokens', '--input'],
  ['cachedInput', 'Cached prompt tokens', '--cached-input'],
  ['output', 'Output tokens', '--output'],
  ['reasoning', 'Reasoning tokens', '--reasoning'],
  ['cacheWrite', 'Cache writes', '--cache-write'],
  ['embedding', 'Embedded tokens', '--embedding'],
  ['request', 'A request', '--request'],
  ['engineSecond', 'A second on an engine', '--engine-second'],
  ['hitShare', 'Share of a cache hit, 0 to 1', '--hit-share'],
] as const

const BY_THE_MILLION = 6

export function PriceForm({ currency, isOpen, onClose }: PriceFormProps) {
  return (
    <Dialog title="New price" isOpen={isOpen} onClose={onClose}>
      <Form currency={currency} onClose={onClose} />
    </Dialog>
  )
}

function Form({ currency, onClose }: Omit<PriceFormProps, 'isOpen'>) {
  const save = useChange(['/api/prices'], onClose)
  const models = useModels().data ?? []
  const plans = new Set((useTenants().data ?? []).flatMap(({ pricePlan }) => pricePlan ?? []))
  const [command, setCommand] = useState('gristmill price set')
  const submit = (form: FormData) =>
    save.mutate({ method: 'POST', path: '/api/prices', body: bodyOf(form) })
  return (
    <form
      onSubmit={onSubmit(submit)}
      onChange={(event) => setCommand(commandOf(new FormData(event.currentTarget)))}
      className="grid gap-3.5"
    >
      <div className="grid grid-cols-2 gap-3">
        <Field
          label="Model or route"
          name="model"
          list="priced-models"
          placeholder="any"
          maxLength={256}
          data-first
        />
        <Choice label="Class" name="serviceClass">
          <option value="">any</option>
          {['priority', 'standard', 'flex', 'batch'].map((name) => (
            <option key={name}>{name}</option>
          ))}
        </Choice>
        <Field
          label="Price plan"
          name="plan"
          list="price-plans"
          placeholder="everybody"
          pattern="[a-z0-9][a-z0-9._\-]*"
          maxLength={64}
        />
        <Field
          label="From"
          name="effectiveAt"
          type="datetime-local"
          hint="A second from now where empty."
        />
      </div>
      <datalist id="priced-models">
        {models.map(({ name }) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <datalist id="price-plans">
        {[...plans].map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <fieldset className="grid grid-cols-2 gap-3">
        <legend className="mb-1 text-[0.8rem] font-medium">
          Amounts in {currency}; tokens by the million
        </legend>
        {amounts.map(([name, label], at) => (
          <Field
            key={name}
            label={label}
            name={name}
            inputMode="decimal"
            pattern="\d{1,7}(\.\d{1,9})?"
            placeholder={at < BY_THE_MILLION && at !== 0 && at !== 2 ? 'as its kind' : '0'}
          />
        ))}
      </fieldset>
      <Field label="Note" name="note" maxLength={200} />
      {save.error !== null && <ErrorNote error={save.error} />}
      <CliCommand command={command} />
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="main" type="submit" disabled={save.isPending}>
          Add
        </Button>
      </div>
    </form>
  )
}

function given(form: FormData) {
  return amounts.flatMap(([name, , flag]) => {
    const text = textOf(form, name)
    return text === '' ? [] : [{ name, flag, text }]
  })
}

function bodyOf(form: FormData) {
  const from = textOf(form, 'effectiveAt')
  const price = {
    model: textOf(form, 'model') || '*',
    serviceClass: textOf(form, 'serviceClass') || null,
    plan: textOf(form, 'plan') || null,
    ...(from !== '' && { effectiveAt: new Date(from).toISOString() }),
    ...Object.fromEntries(given(form).map(({ name, text }) => [name, text])),
  }
  return { prices: [price], note: textOf(form, 'note') }
}

function commandOf(form: FormData): string {
  const flags = [
    ['--model', textOf(form, 'model')],
    ['--class', textOf(form, 'serviceClass')],
    ['--plan', textOf(form, 'plan')],
    ['--from', textOf(form, 'effectiveAt')],
    ...given(form).map(({ flag, text }) => [flag, text]),
    ['--note', textOf(form, 'note')],
  ].filter(([, value]) => value !== '')
  return [
    'gristmill price set',
    ...flags.map(([flag, value]) => `${flag} ${shellWord(value ?? '')}`),
  ]
    .join(' ')
    .trim()
}
