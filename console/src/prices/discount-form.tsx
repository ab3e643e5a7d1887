/** Setting what a tenant or a price plan gets off each month; terms before stay for their months. */
import { useState } from 'react'
import { useChange } from '../api/changes.ts'
import type { DiscountTermsView } from '../api/contract.ts'
import { useTenants } from '../api/lists.ts'
import { Button } from '../parts/button.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { onSubmit, textOf } from '../parts/on-submit.ts'
import { shellWord } from '../parts/shell-word.ts'
import { DISCOUNTS_PATH, monthAt } from './discount-list.ts'

export interface DiscountFormProps {
  currency: string
  /** False where terms of price plans are not theirs to set. */
  isForPlansToo: boolean
  isOpen: boolean
  onClose: () => void
}

const TIERS_MAX = 20
const AMOUNT = '\\d{1,9}(\\.\\d{1,9})?'

export function DiscountForm({ isOpen, ...form }: DiscountFormProps) {
  return (
    <Dialog title="New discount" isOpen={isOpen} onClose={form.onClose}>
      <Form {...form} />
    </Dialog>
  )
}

function Form({ currency, isForPlansToo, onClose }: Omit<DiscountFormProps, 'isOpen'>) {
  const save = useChange<DiscountTermsView>([DISCOUNTS_PATH], onClose)
  const tenants = useTenants().data ?? []
  const [isForPlan, setForPlan] = useState(false)
  const [unit, setUnit] = useState('')
  const [tiers, setTiers] = useState(1)
  const [command, setCommand] = useState('gristmill discount set')
  const nameOf = (id: string) => tenants.find((one) => one.id === id)?.name ?? id
  const submit = (form: FormData) =>
    save.mutate({ method: 'POST', path: DISCOUNTS_PATH, body: bodyOf(form, tiers) })
  const tell = (form: FormData) => setCommand(commandOf(bodyOf(form, tiers), nameOf))
  return (
    <form
      onSubmit={onSubmit(submit)}
      onChange={(event) => tell(new FormData(event.currentTarget))}
      className="grid gap-3.5"
    >
      <div className="grid grid-cols-2 gap-3">
        <Choice
          label="For"
          name="scope"
          onChange={(event) => setForPlan(event.target.value === 'plan')}
          data-first
        >
          <option value="tenant">one tenant</option>
          {isForPlansToo && <option value="plan">a price plan</option>}
        </Choice>
        {isForPlan ? (
          <PlanField plans={new Set(tenants.flatMap(({ pricePlan }) => pricePlan ?? []))} />
        ) : (
          <Choice label="Tenant" name="tenantId" required hint="Instead of what its plan has.">
            <option value="">Choose one</option>
            {tenants.map(({ id, name }) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
          </Choice>
        )}
        <Field
          label="From"
          name="from"
          required
          defaultValue={monthAt(Date.now(), 1)}
          pattern="[2-9]\d{3}-(0[1-9]|1[0-2])"
          hint="UTC; nothing of it may be closed."
        />
      </div>
      <div className="grid grid-cols-2 gap-3">
        <Choice label="Free in each month" name="unit" onChange={(e) => setUnit(e.target.value)}>
          <option value="">nothing</option>
          <option value="money">an amount</option>
          <option value="tokens">the first tokens</option>
        </Choice>
        {unit !== '' && (
          <Field
            key={unit}
            label={unit === 'tokens' ? 'Tokens' : `Amount, ${currency}`}
            name="free"
            required
            inputMode="decimal"
            pattern={unit === 'tokens' ? '[1-9]\\d{0,14}' : AMOUNT}
          />
        )}
      </div>
      <Tiers
        count={tiers}
        currency={currency}
        isNeeded={unit === ''}
        onMore={() => setTiers(tiers + 1)}
      />
      <Field label="Note" name="note" maxLength={200} hint="Such as the contract it is for." />
      {save.error !== null && <ErrorNote error={save.error} />}
      <CliCommand command={command} />
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="main" type="submit" disabled={save.isPending}>
          Set
        </Button>
      </div>
    </form>
  )
}

function PlanField({ plans }: { plans: ReadonlySet<string> }) {
  return (
    <>
      <Field
        label="Price plan"
        name="plan"
        list="discounted-plans"
        required
        pattern="[a-z0-9][a-z0-9._\-]*"
        maxLength={64}
        hint="For tenants without terms of their own."
      />
      <datalist id="discounted-plans">
        {[...plans].map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </>
  )
}

interface TiersProps {
  count: number
  currency: string
  /** True where nothing else comes off. */
  isNeeded: boolean
  onMore: () => void
}

function Tiers({ count, currency, isNeeded, onMore }: TiersProps) {
  return (
    <fieldset className="grid gap-3">
      <legend className="mb-1 text-[0.8rem] font-medium">
        Off what is above an amount of a month, the lowest first
      </legend>
      {Array.from({ length: count }, (_, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a tier is known by its place
        <div key={at} className="grid grid-cols-2 gap-3">
          <Field
            label={`Above, ${currency}`}
            name={`above${at}`}
            inputMode="decimal"
            pattern={AMOUNT}
            placeholder="100"
            required={isNeeded && at === 0}
          />
          <Field
            label="Per cent off"
            name={`percent${at}`}
            inputMode="decimal"
            pattern="\d{1,3}(\.\d{1,4})?"
            placeholder="5"
            required={isNeeded && at === 0}
          />
        </div>
      ))}
      {count < TIERS_MAX && (
        <div>
          <Button onClick={onMore}>Another tier</Button>
        </div>
      )}
    </fieldset>
  )
}

type Body = Pick<DiscountTermsView, 'tenantId' | 'plan' | 'from' | 'free' | 'tiers' | 'note'>

function bodyOf(form: FormData, count: number): Body {
  const isForPlan = textOf(form, 'scope') === 'plan'
  const unit = textOf(form, 'unit')
  const tiers = Array.from({ length: count }, (_, at) => ({
    above: textOf(form, `above${at}`),
    percent: textOf(form, `percent${at}`),
  }))
  return {
    tenantId: isForPlan ? null : textOf(form, 'tenantId'),
    plan: isForPlan ? textOf(form, 'plan') : null,
    from: textOf(form, 'from'),
    free: unit === 'money' || unit === 'tokens' ? { unit, amount: textOf(form, 'free') } : null,
    tiers: tiers.filter(({ above, percent }) => above !== '' || percent !== ''),
    note: textOf(form, 'note'),
  }
}

function commandOf(body: Body, nameOf: (id: string) => string): string {
  const { tenantId, plan, from, free, tiers, note } = body
  const whom = plan === null ? ['--tenant', nameOf(tenantId ?? '')] : ['--plan', plan]
  const flags = [
    whom,
    ...(free === null ? [] : [[free.unit === 'tokens' ? '--free-tokens' : '--free', free.amount]]),
    ...tiers.map(({ above, percent }) => ['--tier', `${above}:${percent}`]),
    ['--from', from],
    ...(note === '' ? [] : [['--note', note]]),
  ]
  const words = flags.map(([flag, value]) => `${flag} ${shellWord(value || '…')}`)
  return ['gristmill discount set', ...words].join(' ')
}
