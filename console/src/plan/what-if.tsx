/** Questions about the plan, answered by the simulator in seconds: more load, tenants, engines. */
import { useState } from 'react'
import type { PlanChangeView, PlanReport, PlanView, WhatIfReport } from '../api/contract.ts'
import { Button } from '../parts/button.tsx'
import { Card } from '../parts/card.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { controlClass } from '../parts/field.tsx'
import { count, duration, percent } from '../units.ts'
import { useAskPlan } from './plan-data.ts'
import { changeCommand, changeInWords } from './plan-words.ts'
import type { TenantLook } from './tenants.tsx'

interface WhatIfProps {
  plan: PlanView
  report: PlanReport
  lookOf: (tenant: string) => TenantLook
}

export function WhatIf({ plan, report, lookOf }: WhatIfProps) {
  const ask = useAskPlan()
  const isBusy = plan.state === 'running' || ask.isPending
  const error = ask.error ?? (plan.failure === null ? null : new Error(plan.failure))
  return (
    <Card title="What if" note="one pool, the busiest time of the trace, seconds to answer">
      <Questions report={report} lookOf={lookOf} isBusy={isBusy} onAsk={ask.mutate} />
      {error !== null && (
        <div className="mt-3">
          <ErrorNote error={error} />
        </div>
      )}
      {plan.answers.length === 0 && (
        <p className="mt-3 text-[0.82rem] text-soft">
          Answers gather here: whether the promise still holds, for whom it does not, and how many
          engines it would take.
        </p>
      )}
      <ul className="mt-1">
        {plan.answers.map((answer, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the same may be asked twice
          <Answer key={at} answer={answer} plan={plan} lookOf={lookOf} />
        ))}
      </ul>
    </Card>
  )
}

interface QuestionsProps {
  report: PlanReport
  lookOf: (tenant: string) => TenantLook
  isBusy: boolean
  onAsk: (change: PlanChangeView) => void
}

function Questions({ report, lookOf, isBusy, onAsk }: QuestionsProps) {
  const pooled = report.arrangements.find(({ kind }) => kind === 'pooled')
  const tenants = pooled?.tenants.filter(({ requests }) => requests > 0) ?? []
  const [like, setLike] = useState(tenants[0]?.tenant ?? '')
  const hasOne = (pooled?.engines ?? 1) <= 1
  return (
    <div className="flex flex-wrap items-center gap-2 print:hidden">
      <Button disabled={isBusy} onClick={() => onAsk({ kind: 'load', factor: 2 })}>
        Double the load
      </Button>
      <Button disabled={isBusy} onClick={() => onAsk({ kind: 'engines', more: 1 })}>
        One engine more
      </Button>
      <Button
        disabled={isBusy || hasOne}
        title={hasOne ? 'It has only one' : undefined}
        onClick={() => onAsk({ kind: 'engines', more: -1 })}
      >
        One engine less
      </Button>
      <span className="flex min-w-0 items-center gap-2">
        <Button disabled={isBusy || like === ''} onClick={() => onAsk({ kind: 'tenant', like })}>
          One more tenant like
        </Button>
        <select
          aria-label="Tenant to copy"
          value={like}
          onChange={(event) => setLike(event.target.value)}
          className={`${controlClass} w-auto!`}
        >
          {tenants.map(({ tenant }) => (
            <option key={tenant} value={tenant}>
              {lookOf(tenant).name}
            </option>
          ))}
        </select>
      </span>
    </div>
  )
}

interface AnswerProps {
  answer: WhatIfReport
  plan: PlanView
  lookOf: (tenant: string) => TenantLook
}

function Answer({ answer, plan, lookOf }: AnswerProps) {
  const { change, sentence, basis, before, after, enginesNeeded } = answer
  const slowest = (one: WhatIfReport['before']) =>
    Math.max(0, ...one.tenants.map(({ ttftP99Ms }) => ttftP99Ms))
  const figures = [
    { name: 'Engines', was: count(before.engines), is: count(after.engines) },
    {
      name: 'Utilisation',
      was: percent(before.utilisation, 1),
      is: percent(after.utilisation, 1),
    },
    {
      name: 'Slowest tenant, first token p99',
      was: duration(slowest(before)),
      is: duration(slowest(after)),
    },
    {
      name: 'Tenants past the promise',
      was: count(before.late.length),
      is: count(after.late.length),
    },
  ]
  return (
    <li className="mt-3 border-t pt-3">
      <p className="font-[580]">
        {changeInWords(change, (tenant) => lookOf(tenant).name)}:{' '}
        <span className={after.late.length === 0 ? 'text-good' : 'text-warn'}>{sentence}</span>
      </p>
      <dl className="mt-2 grid grid-cols-2 gap-x-6 gap-y-2 text-[0.82rem] md:grid-cols-5">
        {figures.map(({ name, was, is }) => (
          <div key={name} className="min-w-0">
            <dt className="text-[0.75rem] text-soft">{name}</dt>
            <dd className="tabular-nums">
              <span className="text-soft">{was}</span>
              <span aria-hidden className="mx-1.5 text-soft">
                →
              </span>
              <span className="sr-only"> becomes </span>
              <b className="font-[580]">{is}</b>
            </dd>
          </div>
        ))}
        <div className="min-w-0">
          <dt className="text-[0.75rem] text-soft">Engines that it takes</dt>
          <dd className="tabular-nums">
            {enginesNeeded === null ? 'no number is enough' : count(Math.max(1, enginesNeeded))}
          </dd>
        </div>
      </dl>
      <p className="mt-2 text-[0.78rem] text-soft">{basis}</p>
      <CliCommand className="mt-1" command={changeCommand(plan.input, change, before.engines)} />
    </li>
  )
}
