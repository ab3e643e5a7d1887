/** What a plan is made for: whose traffic, which engines, what is promised and what it costs. */
import { useState } from 'react'
import { useSearchParams } from 'wouter'
import type { PlanInputView } from '../api/contract.ts'
import { Button } from '../parts/button.tsx'
import { Card } from '../parts/card.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { numberOf, onSubmit, textOf } from '../parts/on-submit.ts'
import { type NewPlan, usePlanEngines, useStartPlan } from './plan-data.ts'
import { type Trace, TraceField } from './trace-field.tsx'

type Source = PlanInputView['source']

const sources: { id: Source; title: string; note: string }[] = [
  { id: 'ledger', title: 'Our own ledger', note: 'What was asked here, without a word of it' },
  { id: 'trace', title: 'A trace file', note: 'CSV of times, tenants and lengths' },
  { id: 'example', title: 'The example', note: 'Two made-up hours of six teams' },
]

export function PlanForm({ isBusy, isFirst }: { isBusy: boolean; isFirst: boolean }) {
  const [search, setSearch] = useSearchParams()
  const asked = search.get('source')
  const [source, setSource] = useState<Source>(
    sources.find(({ id }) => id === asked)?.id ?? 'ledger',
  )
  const [trace, setTrace] = useState<Trace | null>(null)
  const { data: engines } = usePlanEngines()
  const [engine, setEngine] = useState(search.get('engine') ?? 'h100-8b')
  const basis = engines?.find(({ name }) => name === engine)?.basis
  const start = useStartPlan()
  const submit = (form: FormData) => {
    const plan = readPlan(form, source, trace)
    setSearch(searchOf(plan), { replace: true })
    start.mutate(plan)
  }
  return (
    <Card title={isFirst ? 'What to plan for' : 'Plan for something else'} className="print:hidden">
      <form onSubmit={onSubmit(submit)} className="grid gap-4">
        <Sources source={source} onChoose={setSource} />
        {source === 'trace' && <TraceField trace={trace} onTrace={setTrace} />}
        <div className="grid gap-x-4 gap-y-3.5 sm:grid-cols-2 xl:grid-cols-4">
          {source === 'ledger' && (
            <Choice label="Span" name="hours" defaultValue={search.get('hours') ?? '24'}>
              <option value="24">the last day</option>
              <option value="168">the last week</option>
            </Choice>
          )}
          <Choice
            label="Engines like"
            name="engine"
            value={engine}
            onChange={(event) => setEngine(event.target.value)}
          >
            {(engines ?? [{ name: engine }]).map(({ name }) => (
              <option key={name}>{name}</option>
            ))}
          </Choice>
          <Field
            label="Promise: first token at p99"
            name="ttftP99Ms"
            type="number"
            min={10}
            max={600_000}
            required
            defaultValue={search.get('ttftP99Ms') ?? '1000'}
            hint="Milliseconds, for every tenant in the busiest two hours."
          />
          <Field
            label="Cost of an engine per hour"
            name="costPerEngineHour"
            type="number"
            min={0.0001}
            max={1_000_000}
            step="any"
            defaultValue={search.get('costPerEngineHour') ?? ''}
            placeholder="unknown"
            hint="In your currency; may be left out."
          />
        </div>
        {basis !== undefined && (
          <p className="-mt-1 max-w-[92ch] text-[0.75rem] text-soft">
            {engine}: {basis}
          </p>
        )}
        {start.error !== null && <ErrorNote error={start.error} />}
        <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
          <Button
            look="main"
            type="submit"
            disabled={isBusy || start.isPending || (source === 'trace' && trace === null)}
          >
            {start.isPending ? 'Sending it' : 'Work it out'}
          </Button>
          <p className="text-[0.78rem] text-soft">
            Runs beside the gateway, at low priority. Seconds for an hour of traffic, minutes for a
            busy day.
          </p>
        </div>
      </form>
    </Card>
  )
}

function Sources({ source, onChoose }: { source: Source; onChoose: (source: Source) => void }) {
  return (
    <fieldset className="grid gap-2 sm:grid-cols-3">
      <legend className="mb-1 text-[0.8rem] font-medium">Traffic from</legend>
      {sources.map(({ id, title, note }) => (
        <label
          key={id}
          className={`flex cursor-pointer gap-2.5 rounded-lg border px-3 py-2 has-focus-visible:outline-2 has-focus-visible:outline-accent ${
            id === source ? 'border-accent bg-sunk/50' : 'hover:border-edge'
          }`}
        >
          <input
            type="radio"
            name="source"
            value={id}
            checked={id === source}
            onChange={() => onChoose(id)}
            className="mt-0.5 accent-accent outline-none"
          />
          <span>
            <span className="block font-[580]">{title}</span>
            <span className="block text-[0.78rem] text-soft">{note}</span>
          </span>
        </label>
      ))}
    </fieldset>
  )
}

function readPlan(form: FormData, source: Source, trace: Trace | null): NewPlan {
  return {
    source,
    trace: trace?.blob ?? null,
    name: trace?.name ?? null,
    hours: numberOf(form, 'hours') ?? 24,
    engine: textOf(form, 'engine'),
    ttftP99Ms: numberOf(form, 'ttftP99Ms') ?? 1000,
    costPerEngineHour: numberOf(form, 'costPerEngineHour'),
  }
}

/** So that the page can be sent to somebody, who then asks the same of their traffic. */
function searchOf({ source, hours, engine, ttftP99Ms, costPerEngineHour }: NewPlan) {
  return {
    source,
    engine,
    ttftP99Ms: String(ttftP99Ms),
    ...(source === 'ledger' && { hours: String(hours) }),
    ...(costPerEngineHour !== null && { costPerEngineHour: String(costPerEngineHour) }),
  }
}
