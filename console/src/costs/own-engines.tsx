/** What engines of each tenant alone would have cost: a simulation that somebody begins. */
import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { change } from '../api/client.ts'
import type { EngineComparisonView } from '../api/contract.ts'
import { useTenantNames } from '../api/lists.ts'
import { useSignedIn } from '../api/session.ts'
import { Button } from '../parts/button.tsx'
import { Card } from '../parts/card.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { Field } from '../parts/field.tsx'
import { money, nanosOf } from '../parts/money.ts'
import { onSubmit, textOf } from '../parts/on-submit.ts'
import { plural } from '../units.ts'
import { type CostSpan, monthName } from './cost-view.ts'

export function OwnEngines({ span }: { span: CostSpan }) {
  const { from, to, month, tenant } = span
  const { currency } = useSignedIn().session
  const [hour, setHour] = useState('')
  const asked = useMutation({
    mutationFn: (costPerEngineHour: string) =>
      change<EngineComparisonView>('POST', '/api/ledger/comparison/engines', {
        ...{ from, to, tenant },
        ...(costPerEngineHour !== '' && { costPerEngineHour }),
      }),
  })
  const whose = tenant === undefined ? '' : ` --tenant ${tenant}`
  return (
    <Card title="On engines of each tenant alone" note={`${monthName(month)}, by simulation`}>
      <div aria-live="polite">
        {asked.data !== undefined && <Found view={asked.data} />}
        {asked.error !== null && <ErrorNote error={asked.error} />}
        {asked.isIdle && (
          <p className="max-w-[70ch] text-[0.84rem] text-soft">
            The requests of this time go through the simulator, each tenant’s alone and four times
            drawn anew, for the interval.
          </p>
        )}
        {asked.isPending && (
          <p className="text-[0.84rem] text-soft">Being worked out, which may take minutes.</p>
        )}
      </div>
      <form
        className="mt-3 flex flex-wrap items-end gap-3"
        onSubmit={onSubmit((form) => asked.mutate(textOf(form, 'hour')))}
      >
        <div className="w-52">
          <Field
            label={`An engine’s hour, ${currency}`}
            name="hour"
            inputMode="decimal"
            pattern="\d{1,6}(\.\d{1,9})?"
            placeholder="as engines cost here"
            onChange={(event) => setHour(event.target.value.trim())}
          />
        </div>
        <Button type="submit" disabled={asked.isPending}>
          {asked.data === undefined ? 'Work it out' : 'Work it out again'}
        </Button>
      </form>
      <CliCommand
        className="mt-3"
        command={`gristmill ledger compare --period ${month}${whose} --engine h100-8b${hour === '' ? '' : ` --cost-per-engine-hour ${hour}`}`}
      />
    </Card>
  )
}

function Found({ view }: { view: EngineComparisonView }) {
  const names = useTenantNames()
  const { engines, amount, cost, tenants, engine } = view
  if (view.cannot !== null) {
    return <p className="text-[0.84rem]">These engines cannot keep the promise: {view.cannot}.</p>
  }
  const shown = (text: string) => money(nanosOf(text))
  return (
    <>
      <p className="max-w-[80ch] text-[0.92rem]">
        {plural(engines.asItWas, 'engine')} ({engines.low} to {engines.high} over {view.draws}{' '}
        draws) would have cost{' '}
        <b className="font-[620]">{money(nanosOf(amount.asItWas), cost.currency)}</b>,{' '}
        {shown(amount.low)} to {shown(amount.high)}; the pool cost{' '}
        <b className="font-[620]" title={cost.basis}>
          {money(nanosOf(cost.amount), cost.currency)}
        </b>
        .
      </p>
      <ul className="mt-2 flex flex-wrap gap-x-5 gap-y-1 text-[0.84rem]">
        {tenants.map(({ tenantId, asItWas, low, high }) => (
          <li key={tenantId}>
            {names.get(tenantId)?.name ?? tenantId} {asItWas}{' '}
            <span className="text-soft">
              ({low} to {high})
            </span>
          </li>
        ))}
      </ul>
      <Caveat
        text={`Engine ${engine.name} at ${money(nanosOf(view.costPerEngineHour), cost.currency)} an hour. ${view.costBasis} ${engine.basis} ${view.caveat}`}
      />
    </>
  )
}

export function Caveat({ text }: { text: string }) {
  return <p className="mt-3 max-w-[80ch] text-[0.78rem] text-soft">{text}</p>
}
