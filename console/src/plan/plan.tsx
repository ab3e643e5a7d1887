/** Planning: what traffic needs alone, in one pool, and in a pool that batch fills. */
import { Braces, Printer } from 'lucide-react'
import type { PlanReport, PlanView } from '../api/contract.ts'
import { useTenantNames } from '../api/lists.ts'
import { Button } from '../parts/button.tsx'
import { Card } from '../parts/card.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { download } from '../parts/download.ts'
import { ErrorNote } from '../parts/error-note.tsx'
import { LoadingRows } from '../parts/loading.tsx'
import { PageHead } from '../parts/page-head.tsx'
import { promised, rate } from '../units.ts'
import { Arrangements } from './arrangements.tsx'
import { usePlan, useStartPlan } from './plan-data.ts'
import { PlanForm } from './plan-form.tsx'
import { planCommand, planContext, planSentence } from './plan-words.ts'
import './print.css'
import { PlanProgress } from './progress.tsx'
import { Sensitivity } from './sensitivity.tsx'
import { PlanTenants, type TenantLook } from './tenants.tsx'
import { WhatIf } from './what-if.tsx'

export default function Plan() {
  const { data: plan, error, refetch } = usePlan()
  const report = plan?.report ?? null
  const isRunning = plan?.state === 'running'
  return (
    <>
      <PageHead
        sentence={planSentence(plan)}
        isLost={plan === undefined && error !== null}
        context={planContext(plan)}
        aside={report !== null && plan ? <ReportActions plan={plan} /> : undefined}
      />
      <div className="grid gap-4">
        {error !== null && <ErrorNote error={error} onRetry={() => void refetch()} />}
        {plan === undefined && error === null && (
          <Card title="Your last plan">
            <LoadingRows />
          </Card>
        )}
        {plan && isRunning && <PlanProgress plan={plan} />}
        {plan?.state === 'failed' && <ErrorNote error={new Error(plan.failure ?? 'It failed.')} />}
        {plan && report !== null && <Report plan={plan} report={report} />}
        {plan === null && <Beginning />}
        {plan !== undefined && <PlanForm isBusy={isRunning} isFirst={report === null} />}
      </div>
    </>
  )
}

function ReportActions({ plan }: { plan: PlanView }) {
  const save = () =>
    download('gristmill-plan.json', `${JSON.stringify(plan.report, null, 2)}\n`, 'application/json')
  return (
    <span className="flex gap-2 print:hidden">
      <Button onClick={save}>
        <Braces size={14} aria-hidden /> JSON
      </Button>
      <Button onClick={() => print()}>
        <Printer size={14} aria-hidden /> Print
      </Button>
    </span>
  )
}

function Report({ plan, report }: { plan: PlanView; report: PlanReport }) {
  const lookOf = useTenantLooks(report)
  if (report.cannot !== null) {
    return (
      <Card title="Why it cannot be kept">
        <p>
          With engines like {report.engine.name}: {report.cannot}.
        </p>
        <p className="mt-1 text-soft">
          A longer promise or a quicker engine may do; nothing was compared, because no arrangement
          keeps this one.
        </p>
        <Small plan={plan} report={report} />
      </Card>
    )
  }
  return (
    <>
      <Arrangements report={report} />
      <PlanTenants report={report} lookOf={lookOf} />
      <Sensitivity report={report} />
      <WhatIf key={plan.id} plan={plan} report={report} lookOf={lookOf} />
      <Card title="What this rests on">
        <Small plan={plan} report={report} />
      </Card>
    </>
  )
}

/** Basis, assumptions and the command. */
function Small({ plan, report }: { plan: PlanView; report: PlanReport }) {
  const { engine, promise, seed } = report
  return (
    <div className="grid max-w-[92ch] gap-1.5 text-[0.82rem] text-soft">
      <p>
        {engine.name}: {engine.basis} A prompt token counts {rate(engine.cost.input)}, an output
        token {rate(engine.cost.output)} units.
      </p>
      <p>
        Promised to every tenant: first tokens within {promised(promise.ttftP99Ms)} at p99 in its
        busiest two hours, and a token every {promise.tokenGapMs} ms. Batch is filled up to 95 % of
        capacity. The same trace and seed ({seed}) give the same plan. A model is not an engine:
        measure yours before you buy.
      </p>
      <CliCommand command={planCommand(plan.input)} />
    </div>
  )
}

/** Beyond the hues that tenants of this pool have. */
const STRANGERS = 100

/** Tenants of the ledger have names and hues; those of a trace are called as it calls them. */
function useTenantLooks(report: PlanReport): (tenant: string) => TenantLook {
  const names = useTenantNames()
  const order = [
    ...new Set(report.arrangements.flatMap(({ tenants }) => tenants.map(({ tenant }) => tenant))),
  ].sort()
  return (tenant) => names.get(tenant) ?? { name: tenant, hue: STRANGERS + order.indexOf(tenant) }
}

function Beginning() {
  const start = useStartPlan()
  const example = {
    source: 'example',
    trace: null,
    name: null,
    hours: 24,
    engine: 'h100-8b',
    ttftP99Ms: 1000,
    costPerEngineHour: 2,
  } as const
  return (
    <Card title="Nothing has been worked out yet">
      <p className="max-w-[76ch] text-soft">
        Here will stand how many engines each tenant would need alone, how many one pool needs for
        all of them, and what batch work makes of the gaps: utilisation, cost per million tokens,
        first tokens and waiting of each tenant in its worst hour. Where pooling does not pay, it
        says so.
      </p>
      <Button
        className="mt-3"
        look="main"
        disabled={start.isPending}
        onClick={() => start.mutate(example)}
      >
        See it with the example
      </Button>
      {start.error !== null && (
        <div className="mt-3">
          <ErrorNote error={start.error} />
        </div>
      )}
    </Card>
  )
}
